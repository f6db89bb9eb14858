import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { PatroniStore } from '../../../../src/drivers/patroni/dcs/store.ts'
import { onEtcd } from '../../../support/patroni-on-etcd.ts'
import type { StoresOfTest } from '../../../support/patroni-store.ts'
import { openStore, site, testStore } from './store-promises.ts'

let stores: StoresOfTest
let url: string

beforeAll(async () => {
  stores = await onEtcd([site])
  url = stores.of(site).url
}, 60_000)
afterAll(() => stores?.stop(), 20_000)

const encoded = (text: string): string => Buffer.from(text).toString('base64')
async function post(path: string, body: object): Promise<void> {
  const answer = await fetch(`${url}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(await answer.text())
}
const put = (key: string, value: string): Promise<void> =>
  post('kv/put', { key: encoded(`/service/${key}`), value: encoded(value) })

testStore({
  kind: 'etcd',
  url: () => url,
  put,
  lead: (member) =>
    member === null ? post('kv/deleterange', { key: encoded('/service/app/leader') }) : put('app/leader', member),
})

// The last one: it turns the logins of this server on.
test('the store in etcd logs in where it must, and says that a wrong login, or one without rights, is refused', async () => {
  await post('auth/user/add', { name: 'root', password: 'of-root' })
  await post('auth/user/grant', { user: 'root', role: 'root' })
  await post('auth/role/add', { name: 'patroni' })
  const range = { key: encoded('/service/app/'), range_end: encoded('/service/app0') }
  await post('auth/role/grant', { name: 'patroni', perm: { permType: 'READWRITE', ...range } })
  for (const name of ['patroni', 'stranger']) await post('auth/user/add', { name, password: `of-${name}` })
  await post('auth/user/grant', { user: 'patroni', role: 'patroni' })
  await post('auth/enable', {})
  const login = { user: { env: 'USER' }, password: { env: 'PASSWORD' } }
  const as = (USER: string, PASSWORD = `of-${USER}`): PatroniStore =>
    openStore({ kind: 'etcd', endpoints: { [site]: [url] }, ...login }, { USER, PASSWORD })
  expect(await as('patroni').read()).toMatchObject({ leader: 'pg-a1' })
  expect(await as('patroni').replaceConfig({ ttl: 99 }, '1')).toBe(false)
  const withoutLogin = openStore({ kind: 'etcd', endpoints: { [site]: [url] } })
  for (const store of [as('patroni', 'wrong'), as('stranger'), withoutLogin])
    await expect(store.read()).rejects.toMatchObject({ code: 'patroni-store-refused', retry: 'never' })
  // The rights of a write are judged before its comparison.
  await expect(as('stranger').replaceConfig({ ttl: 99 }, '0')).rejects.toMatchObject({
    code: 'patroni-store-refused',
  })
})
