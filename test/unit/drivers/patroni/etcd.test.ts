import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { askOverHttp } from '../../../../src/clients/http-question.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { etcdStore } from '../../../../src/drivers/patroni/dcs/etcd.ts'
import type { PatroniStore } from '../../../../src/drivers/patroni/dcs/store.ts'
import type { Database, StoreSpec } from '../../../../src/drivers/patroni/spec.ts'
import { patroniFixture } from '../../../conformance/fixtures/patroni.ts'
import { needs } from '../../../support/needs.ts'
import { freePorts, type ServerProcess, startServer } from '../../../support/server-process.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

needs('etcd-server')

const site = 'dc-a' as SiteName
const CONFIG = { ttl: 30, standby_cluster: { host: '10.2.0.11' } }
let server: ServerProcess
let url: string

beforeAll(async () => {
  const [port, peerPort] = await freePorts(2)
  url = `http://127.0.0.1:${port}`
  const peer = `http://127.0.0.1:${peerPort}`
  server = await startServer(
    '/usr/bin/etcd',
    ['--name', 'one', '--data-dir', temporaryFolder(), '--listen-client-urls', url, '--advertise-client-urls', url]
      .concat(['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer])
      .concat(['--initial-cluster', `one=${peer}`, '--log-level', 'error']),
    { answers: async () => (await fetch(`${url}/health`)).ok },
  )
}, 60_000)
afterAll(() => server?.stop(), 20_000)

function storeWith(more: Partial<StoreSpec> = {}, credentials: Readonly<Record<string, string>> = {}): PatroniStore {
  const fixture = patroniFixture.component as unknown as Database
  const store: StoreSpec = { kind: 'etcd', endpoints: { [site]: [url] }, ...more }
  const signal = AbortSignal.timeout(20_000)
  const context = {
    http: (request) => askOverHttp(request, [signal]),
    credential: async (reference) => credentials['env' in reference ? reference.env : ''] ?? '',
  } as Pick<DriverContext, 'http' | 'credential'>
  return etcdStore({ ...fixture, spec: { ...fixture.spec, store } }, site, context, {
    reach: { site },
    deadline: 2_000,
    signal,
  })
}
const encoded = (text: string): string => Buffer.from(text).toString('base64')
async function post(path: string, body: object, token?: string): Promise<Record<string, unknown>> {
  const headers = token === undefined ? {} : { authorization: token }
  const answer = await fetch(`${url}/v3/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  return (await answer.json()) as Record<string, unknown>
}
const put = (name: string, value: string) =>
  post('kv/put', { key: encoded(`/service/app/${name}`), value: encoded(value) })

describe('the store of Patroni in etcd', () => {
  test('is read at one moment, and another scope that begins with the same letters is none of it', async () => {
    expect(await storeWith().read()).toEqual({
      config: null,
      leader: null,
      initialized: null,
      history: [],
      switchover: null,
    })
    await put('config', JSON.stringify(CONFIG))
    await put('leader', 'pg-a1')
    await put('initialize', '7713878299140027053')
    await put('history', '[[1,50331808,"no recovery target specified","2026-11-30T08:00:00+00:00","pg-a1"]]')
    await post('kv/put', { key: encoded('/service/app2/leader'), value: encoded('pg-x') })
    expect(await storeWith().read()).toMatchObject({
      config: { value: CONFIG },
      leader: 'pg-a1',
      initialized: '7713878299140027053',
      history: [[1, 50_331_808]],
    })
  })

  test('replaces the configuration on the revision that was seen, and on no other one', async () => {
    const store = storeWith()
    const seen = (await store.read()).config
    if (seen === null) throw new Error('no configuration')
    expect(await store.replaceConfig({ ttl: 20 }, seen.revision)).toBe(true)
    expect(await store.replaceConfig({ ttl: 99 }, seen.revision)).toBe(false)
    const now = (await store.read()).config
    expect(now?.value).toEqual({ ttl: 20 })
    // The same value again is another revision: what rests on the former one fails.
    expect(await store.replaceConfig({ ttl: 20 }, now?.revision ?? '')).toBe(true)
    expect(await store.replaceConfig(CONFIG, now?.revision ?? '')).toBe(false)
    expect(await store.replaceConfig({ ttl: 99 }, '0')).toBe(false)
  })

  test('replaces the configuration for a move only while the member holds the lock that was seen to hold it', async () => {
    const store = storeWith()
    const revision = (await store.read()).config?.revision ?? ''
    expect(await store.replaceConfig({ ttl: 99 }, revision, 'pg-a2')).toBe(false)
    await post('kv/deleterange', { key: encoded('/service/app/leader') })
    expect(await store.replaceConfig({ ttl: 99 }, revision, 'pg-a1')).toBe(false)
    await put('leader', 'pg-a1')
    expect(await store.replaceConfig({ ttl: 20 }, revision, 'pg-a1')).toBe(true)
  })

  test('forgets the database and its history, and nothing else, while the configuration is as it was seen', async () => {
    const store = storeWith()
    const { config } = await store.read()
    expect(await store.forgetDatabase('1')).toBe(false)
    expect((await store.read()).initialized).not.toBeNull()
    expect(await store.forgetDatabase(config?.revision ?? '')).toBe(true)
    expect(await store.read()).toMatchObject({ config, leader: 'pg-a1', initialized: null, history: [] })
  })

  test('is asked at the next server where one is silent, and is silent where all are', async () => {
    const [closed] = await freePorts(1)
    const dead = `http://127.0.0.1:${closed}`
    expect(await storeWith({ endpoints: { [site]: [dead, `${url}/`] } }).read()).toMatchObject({ leader: 'pg-a1' })
    await expect(storeWith({ endpoints: { [site]: [dead] } }).read()).rejects.toMatchObject({
      code: 'patroni-store-silent',
      retry: 'transient',
      unanswered: true,
    })
  })

  // The last one: it turns the logins of this server on.
  test('logs in where it must, and says that a wrong login, or one without rights, is refused', async () => {
    await post('auth/user/add', { name: 'root', password: 'of-root' })
    await post('auth/user/grant', { user: 'root', role: 'root' })
    await post('auth/role/add', { name: 'patroni' })
    const range = { key: encoded('/service/app/'), range_end: encoded('/service/app0') }
    await post('auth/role/grant', { name: 'patroni', perm: { permType: 'READWRITE', ...range } })
    for (const name of ['patroni', 'stranger']) await post('auth/user/add', { name, password: `of-${name}` })
    await post('auth/user/grant', { user: 'patroni', role: 'patroni' })
    await post('auth/enable', {})
    const login = { user: { env: 'USER' }, password: { env: 'PASSWORD' } }
    const as = (USER: string, PASSWORD = `of-${USER}`): PatroniStore => storeWith(login, { USER, PASSWORD })
    expect(await as('patroni').read()).toMatchObject({ leader: 'pg-a1' })
    expect(await as('patroni').replaceConfig({ ttl: 99 }, '1')).toBe(false)
    for (const store of [as('patroni', 'wrong'), as('stranger'), storeWith()])
      await expect(store.read()).rejects.toMatchObject({ code: 'patroni-store-refused', retry: 'never' })
    // The rights of a write are judged before its comparison.
    await expect(as('stranger').replaceConfig({ ttl: 99 }, '0')).rejects.toMatchObject({
      code: 'patroni-store-refused',
    })
  })
})
