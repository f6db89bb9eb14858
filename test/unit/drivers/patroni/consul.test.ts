import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type ConsulWorld, startConsul } from '../../../support/consul/server.ts'
import { openStore, site, testStore } from './store-promises.ts'

/** Without ACLs, and with them. */
let world: ConsulWorld
let guarded: ConsulWorld
let session = ''
beforeAll(async () => {
  world = await startConsul([site])
  guarded = await startConsul([site], { acl: true })
}, 120_000)
afterAll(async () => {
  await world?.stop()
  await guarded?.stop()
}, 30_000)

const put = async (key: string, value: string): Promise<void> =>
  void (await world.call(site, 'PUT', `kv/service/${key}`, value))

testStore({
  kind: 'consul',
  url: () => world.datacenter(site).url,
  put,
  async lead(member) {
    // As Patroni does: its session holds the key, and its end deletes it.
    if (session !== '') await world.call(site, 'PUT', `session/destroy/${session}`)
    session = ''
    if (member === null) return
    const made = { Name: `app-${member}`, TTL: '60s', LockDelay: '0s', Behavior: 'delete', Checks: [] }
    session = ((await world.call(site, 'PUT', 'session/create', made)) as { readonly ID: string }).ID
    await put(`app/leader?acquire=${session}`, member)
  },
})

describe('the store of Patroni in consul', () => {
  test('does not take a member for the leader whose name stands in a key that no session holds', async () => {
    await world.call(site, 'PUT', `session/destroy/${session}`)
    await put('app/leader', 'pg-a1')
    const store = openStore({ kind: 'consul', endpoints: { [site]: [world.datacenter(site).url] } })
    const { config, leader } = await store.read()
    expect(leader).toBe('pg-a1')
    expect(await store.replaceConfig({ ttl: 99 }, config?.revision ?? '', 'pg-a1')).toBe(false)
  })

  test('takes a token, and one that may not read, or not write, is refused, whatever its precondition', async () => {
    await guarded.call(site, 'PUT', 'kv/service/app/config', '{"ttl":30}')
    const rules = (policy: string): string => `key_prefix "service/app/" { policy = "${policy}" }`
    const [writer, reader, stranger] = await Promise.all([
      guarded.createToken(rules('write')),
      guarded.createToken(rules('read')),
      guarded.createToken('key_prefix "service/other/" { policy = "write" }'),
    ])
    const as = (token: string | undefined) =>
      openStore(
        {
          kind: 'consul',
          endpoints: { [site]: [guarded.datacenter(site).url] },
          ...(token === undefined ? {} : { token: { env: 'TOKEN' } }),
        },
        { TOKEN: token ?? '' },
      )
    const refused = { code: 'patroni-store-refused', retry: 'never' }
    const { config } = await as(reader).read()
    expect(config).toMatchObject({ value: { ttl: 30 } })
    for (const token of [stranger, undefined, '11111111-2222-3333-4444-555555555555'])
      await expect(as(token).read()).rejects.toMatchObject(refused)
    for (const revision of ['0', config?.revision ?? '']) {
      await expect(as(reader).replaceConfig({ ttl: 99 }, revision)).rejects.toMatchObject(refused)
      await expect(as(reader).forgetDatabase(revision)).rejects.toMatchObject(refused)
    }
    expect(await as(writer).replaceConfig({ ttl: 99 }, '0')).toBe(false)
    expect(await as(writer).replaceConfig({ ttl: 20 }, config?.revision ?? '')).toBe(true)
    expect((await as(reader).read()).config).toMatchObject({ value: { ttl: 20 } })
  })
})
