import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { parseArgs } from 'node:util'

/**
 * The load balancer of a dead API server, at its address and with its certificate: answers every request with 503.
 */
const { values } = parseArgs({
  options: { address: { type: 'string' }, port: { type: 'string' }, cert: { type: 'string' }, key: { type: 'string' } },
})
const [cert, key] = await Promise.all([readFile(values.cert ?? ''), readFile(values.key ?? '')])
createServer({ cert, key }, (_, response) => void response.writeHead(503).end('no healthy upstream')).listen(
  Number(values.port),
  values.address,
)
