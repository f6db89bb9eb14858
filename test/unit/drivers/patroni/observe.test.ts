import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { askOverHttp, type HttpRequest } from '../../../../src/clients/http-question.ts'
import type { SshRunner } from '../../../../src/clients/ssh.ts'
import type { Site, SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { observePatroni, type PatroniState } from '../../../../src/drivers/patroni/observe.ts'
import type { Database } from '../../../../src/drivers/patroni/spec.ts'
import { openHosts } from '../../../../src/platform/hosts/client.ts'
import { patroniFixture } from '../../../conformance/fixtures/patroni.ts'

const site = 'dc-b' as SiteName
/** What answers and what hangs: a name is that of a member, `etcd` or `pgbackrest`. */
const hanging = new Set<string>()
const CONFIG = { standby_cluster: { host: '10.1.0.11,10.1.0.12', port: '5432,5432' } }
const memberSays = (name: string) => ({
  state: 'running',
  role: name === 'pg-b1' ? 'standby_leader' : 'replica',
  timeline: 4,
  xlog: { received_location: 84_050_464, replayed_location: 84_050_464 },
  replication_state: 'streaming',
  database_system_identifier: '7713878299140027053',
  patroni: { version: '4.1.4', scope: 'app', name },
})
const keysOfStore = [{ key: '/service/app/config', value: JSON.stringify(CONFIG), mod_revision: '17' }].map(
  ({ key, value, ...more }) => ({ key: btoa(key), value: btoa(value), ...more }),
)

/** Real servers that answer as Patroni and etcd do, or take a question and never answer. */
const server: Server = createServer(({ url = '' }, response) => {
  const [, name = '', path = ''] = /^\/([^/]+)\/(.*)/.exec(url) ?? []
  if (!hanging.has(name)) answer(response, name === 'etcd' ? { kvs: keysOfStore } : ofMember(name, path))
})
const ofMember = (name: string, path: string): unknown => ({ patroni: memberSays(name), config: CONFIG })[path] ?? []
const answer = (response: ServerResponse, body: unknown) =>
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => hanging.clear())

async function observed(within: number) {
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const fixture = patroniFixture.component as unknown as Database
  const { members = {} } = fixture.spec.sites[site] ?? {}
  const named = Object.entries(members).map(([name, member]) => [name, { ...member, restApi: `${at}/${name}` }])
  const component: Database = {
    ...fixture,
    spec: {
      ...fixture.spec,
      store: { kind: 'etcd', endpoints: { [site]: [`${at}/etcd`] } },
      sites: { ...fixture.spec.sites, [site]: { members: Object.fromEntries(named) } },
    },
  }
  const runner: SshRunner = {
    run: (command) =>
      hanging.has('pgbackrest') && command.includes('pgbackrest')
        ? new Promise(() => undefined)
        : Promise.resolve({ code: 0, stdout: '[]', stderr: '' }),
    close: async () => undefined,
  }
  const { stack } = patroniFixture
  const declared = stack.sites.find(({ name }) => name === site) as Site
  const signal = AbortSignal.timeout(within)
  const context = {
    stack,
    signal,
    http: (request: HttpRequest) => askOverHttp(request, [signal]),
    credential: async () => 'a-credential',
    platform: () => openHosts(declared, { ssh: () => runner, credential: async () => '' }),
  } as unknown as DriverContext
  const seen = await observePatroni(component, site, context)
  if (seen.kind !== 'answering') throw new Error(`the observation is ${seen.kind}: ${seen.why}`)
  return seen
}
const silentIn = ({ members }: PatroniState): string[] =>
  Object.entries(members).flatMap(([name, { is }]) => (is === 'silent' ? [name] : []))

describe('the observation of a Patroni cluster', () => {
  test('is whole where all answer', async () => {
    const { role, state } = await observed(10_000)
    expect({ role, store: state.store.is, archive: state.archive?.is }).toEqual({
      role: 'passive',
      store: 'answering',
      archive: 'seen',
    })
  })

  test('has all of the database when its archive says nothing until the end: that is a trouble of the archive alone', async () => {
    hanging.add('pgbackrest')
    const { role, health, state } = await observed(700)
    expect({ role, health, archive: state.archive }).toEqual({
      role: 'passive',
      health: 'healthy',
      archive: { is: 'silent', stanza: 'dc-b-g1', why: 'it does not answer in time' },
    })
  })

  test('has the other members when one takes a question and never answers', async () => {
    hanging.add('pg-b2')
    const { role, state } = await observed(700)
    expect({ role, silent: silentIn(state), archive: state.archive?.is }).toEqual({
      role: 'passive',
      silent: ['pg-b2'],
      archive: 'seen',
    })
  })

  test('knows from a member which site is followed when the store hangs', async () => {
    hanging.add('etcd')
    const { role, state } = await observed(2_500)
    expect({ role, store: state.store.is, config: state.config }).toEqual({
      role: 'passive',
      store: 'silent',
      config: CONFIG,
    })
  })
})
