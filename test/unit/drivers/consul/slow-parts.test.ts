import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { type ConsulState, observeDatacenter } from '../../../../src/drivers/consul/observe.ts'
import { consulFixture, federation } from '../../../conformance/fixtures/consul.ts'

/** A server that answers these paths below `/v1/`, and leaves every other question open: no real one does. */
async function observedAt(answers: Readonly<Record<string, unknown>>): Promise<Observed<ConsulState>> {
  const server = createServer((request, response) => {
    const answer = answers[new URL(request.url ?? '', 'http://localhost').pathname.slice('/v1/'.length)]
    if (answer !== undefined) response.end(JSON.stringify(answer))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const ending = new AbortController()
  const { snapshots: _, ...spec } = federation.spec
  const sites = {
    'dc-a': { datacenter: 'dc1', servers: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] },
    'dc-b': { datacenter: 'dc2', servers: ['http://127.0.0.1:1'] },
  }
  const context = {
    stack: consulFixture.stack,
    signal: ending.signal,
    credential: async () => 'a-token',
    http: (request: HttpRequest) => askOverHttp(request, [ending.signal]),
  } as unknown as DriverContext
  // The observation ends once all of its questions have been sent.
  let open = 0
  server.on('request', () => {
    open += 1
    if (open === ASKED) setTimeout(() => ending.abort(new Error('the time of the observation is over')), 200)
  })
  try {
    return await observeDatacenter({ ...federation, spec: { ...spec, sites } }, 'dc-a' as SiteName, context)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}
const AGENT = {
  Config: { NodeName: 'db-1', Datacenter: 'dc1', PrimaryDatacenter: 'dc1', Version: '1.22.7', Server: true },
}
/** Of the agent, leader, members, autopilot, token, certificates, dc2, service, gateways, queries, redirect. */
const ASKED = 11

test('what Consul is slow to say hides nothing of what it has said when the observation ends', async () => {
  const seen = await observedAt({ 'agent/self': AGENT, query: [] })
  const unanswered = { is: 'unknown', because: 'unanswered' }
  expect(seen).toMatchObject({
    kind: 'answering',
    state: {
      agent: { datacenter: 'dc1' },
      silentServers: {},
      leader: unanswered,
      members: unanswered,
      autopilot: unanswered,
      token: unanswered,
      certificates: { server: null, authority: null },
      reaches: { dc2: false },
      services: { infisical: unanswered },
      queries: { is: 'known', value: {} },
    },
  })
})
