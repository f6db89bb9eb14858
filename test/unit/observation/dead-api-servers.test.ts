import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, jest, test } from '@jest/globals'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { OBSERVATION_DEADLINE, observe } from '../../../src/observation/observe.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { awakeClock } from '../../support/awake-clock.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { kubeconfigOf } from '../../support/kubeconfig.ts'
import { memoryStore } from '../../support/memory-store.ts'
import { blackHole } from '../../support/small-stack.ts'
import { toyDriver, toyWorld } from '../../support/toy-stack.ts'

jest.setTimeout(20_000)

const cleanUps: (() => unknown)[] = []
afterEach(() => Promise.all(cleanUps.splice(0).map((cleanUp) => cleanUp())))

async function serving(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The ways in which the API server of a lost site is dead; each gives the address of one. */
const DEAD: Record<string, () => Promise<string>> = {
  'refuses connections': async () => 'http://127.0.0.1:1',
  'accepts connections, and never answers': async () => {
    const hole = await blackHole()
    cleanUps.push(hole.stop)
    return `https://127.0.0.1:${hole.port}`
  },
  'begins an answer, and freezes': () => serving((_, response) => void response.writeHead(200).write('{"meta')),
  'answers 503 to everything': () => serving((_, response) => void response.writeHead(503).end('no healthy upstream')),
}

/**
 * A failover looks at the lost site once before it begins, and asks it for nothing afterwards (`lost-site-touched`):
 * this is all that it can be held up.
 */
test.each(Object.entries(DEAD))('a lost site that %s holds a failover up by 3 s at most', async (_, address) => {
  const site = 'dc-a' as SiteName
  const world = toyWorld({ writer: 'dc-a', effects: [] }, memoryStore())
  const lost = openKubernetes({
    site,
    kubeconfig: kubeconfigOf({ url: await address(), cluster: 'insecure-skip-tls-verify: true' }),
    context: undefined,
    signal: AbortSignal.timeout(15_000),
  })
  const alive = { clusterId: async () => 'uid-dc-b', version: async () => 'v1.34', list: async () => [] }
  const context = {
    ...world.context,
    platform: (_key: unknown, name: SiteName) => (name === site ? lost : alive),
  } as unknown as DriverContext
  const took = awakeClock()
  const seen = await observe(context, memoryStore(), {
    toy: liftedDriver(toyDriver({ writer: 'dc-a', effects: [] })),
  })
  expect(took()).toBeLessThan(OBSERVATION_DEADLINE + 500)
  expect(seen.sites).toMatchObject({ 'dc-a': { kind: 'silent' }, 'dc-b': { kind: 'answering' } })
})
