import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { until } from '../../../lab/until.ts'
import { readOwnToken } from '../../../src/clients/consul/acl.ts'
import { type ConsulClient, consulClient } from '../../../src/clients/consul/client.ts'
import { readAgent, readAutopilotHealth, readLeader, readWanMembers } from '../../../src/clients/consul/cluster.ts'
import { readConfigEntry, writeConfigEntry } from '../../../src/clients/consul/config-entries.ts'
import { readKey, readKeysBelow, transact, writeKey } from '../../../src/clients/consul/kv.ts'
import {
  createPreparedQuery,
  executePreparedQuery,
  readPreparedQueries,
  replacePreparedQuery,
} from '../../../src/clients/consul/prepared-queries.ts'
import { readService } from '../../../src/clients/consul/services.ts'
import { saveSnapshot } from '../../../src/clients/consul/snapshots.ts'
import { askOverHttp } from '../../../src/clients/http-question.ts'
import { StandbyError } from '../../../src/errors/standby-error.ts'
import { type ConsulWorld, startConsul } from '../../support/consul/server.ts'
import { freePorts } from '../../support/server-process.ts'

let world: ConsulWorld
beforeAll(async () => {
  world = await startConsul(['dc-a', 'dc-b'], { acl: true })
}, 120_000)
afterAll(() => world?.stop(), 30_000)

function clientOf(addresses: readonly string[], token = world.managementToken): ConsulClient {
  const signal = AbortSignal.timeout(60_000)
  return consulClient({
    way: { http: (request) => askOverHttp(request, [signal]), credential: async () => token },
    access: { addresses, token: { env: 'CONSUL_TOKEN' } },
    deadline: 5_000,
    signal,
    where: 'Consul of a test',
    error: (failure, what, details) => new StandbyError({ code: failure as never, mustAct: 'site', what, ...details }),
  })
}
const keysBelow = async (client: ConsulClient, prefix: string): Promise<string[]> =>
  (await readKeysBelow(client, prefix)).map(({ key }) => key)
const at = (datacenter: string, token?: string): ConsulClient => clientOf([world.datacenter(datacenter).url], token)

describe('keys of Consul', () => {
  test('are read with their values, and a write takes effect on the index that was seen, and on no other one', async () => {
    const client = at('dc-a')
    expect(await readKey(client, 'app/site')).toBeNull()
    expect(await writeKey(client, 'app/site', 'dc-a', { cas: 0 })).toBe(true)
    expect(await writeKey(client, 'app/site', 'dc-b', { cas: 0 })).toBe(false)
    const seen = await readKey(client, 'app/site')
    expect(seen).toMatchObject({ key: 'app/site', value: 'dc-a', session: null, flags: 0 })
    expect(await writeKey(client, 'app/site', 'dc-ü', { cas: Number(seen?.modifyIndex) })).toBe(true)
    expect(await writeKey(client, 'app/site', 'dc-c', { cas: Number(seen?.modifyIndex) })).toBe(false)
    expect((await readKeysBelow(client, 'app/')).map(({ value }) => value)).toEqual(['dc-ü'])
    expect(await keysBelow(client, 'app/')).toEqual(['app/site'])
    expect(await keysBelow(client, 'none/')).toEqual([])
  })

  test('keep their index when the same value is written, and get another one with other flags', async () => {
    const client = at('dc-a')
    await writeKey(client, 'same', 'value', { cas: 0 })
    const before = Number((await readKey(client, 'same'))?.modifyIndex)
    expect(await transact(client, [{ verb: 'set', key: 'same', value: 'value' }])).toBe(true)
    expect((await readKey(client, 'same'))?.modifyIndex).toBe(before)
    expect(await transact(client, [{ verb: 'set', key: 'same', value: 'value', flags: before }])).toBe(true)
    expect(await readKey(client, 'same')).toMatchObject({ value: 'value', flags: before })
    expect(Number((await readKey(client, 'same'))?.modifyIndex)).toBeGreaterThan(before)
  })

  test('of a transaction change together, or not at all', async () => {
    const client = at('dc-a')
    await writeKey(client, 'pair/one', '1', { cas: 0 })
    const index = Number((await readKey(client, 'pair/one'))?.modifyIndex)
    const two = { verb: 'set', key: 'pair/two', value: '2' } as const
    expect(await transact(client, [{ verb: 'check-index', key: 'pair/one', index: index + 1 }, two])).toBe(false)
    expect(await keysBelow(client, 'pair/')).toEqual(['pair/one'])
    expect(await transact(client, [{ verb: 'check-index', key: 'pair/one', index }, two])).toBe(true)
    expect(await keysBelow(client, 'pair/')).toEqual(['pair/one', 'pair/two'])
  })
})

describe('a token of Consul', () => {
  test('that may read one prefix is refused everything else, and an empty list never stands for what it may not see', async () => {
    await writeKey(at('dc-a'), 'mine/one', '1', { cas: 0 })
    await writeKey(at('dc-a'), 'other/one', '1', { cas: 0 })
    const reader = at('dc-a', await world.createToken('key_prefix "mine/" { policy = "read" }'))
    expect(await keysBelow(reader, 'mine/')).toEqual(['mine/one'])
    const refused = { code: 'refused', retry: 'never' }
    await expect(readKey(reader, 'other/one')).rejects.toMatchObject(refused)
    for (const client of [reader, at('dc-a', '')])
      await expect(readKeysBelow(client, 'other/')).rejects.toMatchObject(refused)
    await expect(writeKey(reader, 'mine/one', '2', { cas: 0 })).rejects.toMatchObject(refused)
    // A transaction without the right is answered as one that does not hold.
    expect(await transact(reader, [{ verb: 'set', key: 'mine/one', value: '2' }])).toBe(false)
    expect((await readWanMembers(reader)).isFiltered).toBe(true)
  })

  test('that does not exist is refused', async () => {
    const stranger = at('dc-a', '11111111-2222-3333-4444-555555555555')
    const refused = { code: 'refused', retry: 'never' }
    await expect(readKey(stranger, 'app/site')).rejects.toMatchObject(refused)
    await expect(readOwnToken(stranger)).rejects.toMatchObject(refused)
  })

  test('is known by its policies', async () => {
    expect(await readOwnToken(at('dc-b'))).toMatchObject({ policies: ['global-management'], expires: null })
  })
})

describe('datacenters of Consul', () => {
  test('say their leader, their servers, and those of the other one', async () => {
    const client = at('dc-a')
    expect(await readAgent(client)).toMatchObject({ datacenter: 'dc-a', primaryDatacenter: 'dc-a', isServer: true })
    expect(await readLeader(client)).toMatch(/^127\.0\.0\.1:/)
    expect(await readLeader(client, 'dc-b')).toMatch(/^127\.0\.0\.1:/)
    const { members, isFiltered } = await readWanMembers(client)
    expect(isFiltered).toBe(false)
    expect(members).toContainEqual(
      expect.objectContaining({ name: 'server-dc-b.dc-b', datacenter: 'dc-b', status: 'alive', isServer: true }),
    )
    await until('autopilot to know its server', { deadline: 30_000, every: 200 }, async () => {
      const health = await readAutopilotHealth(client)
      return health.servers.some(({ isLeader }) => isLeader)
    })
  })

  test('find a service by its tag, and a prepared query leads to the other datacenter', async () => {
    const instance = { ID: 'db/1', Name: 'db', Tags: ['primary'], Address: '10.1.0.1', Port: 5432 }
    await world.call('dc-b', 'PUT', 'agent/service/register', instance)
    const client = at('dc-a')
    await until('the service to be known', { deadline: 20_000, every: 200 }, async () => {
      const { instances } = await readService(client, 'db', { datacenter: 'dc-b', passing: true })
      return instances.length === 1
    })
    const asked = { datacenter: 'dc-b', filter: '"primary" in Service.Tags' }
    expect((await readService(client, 'db', asked)).instances).toMatchObject([
      { id: 'db/1', address: '10.1.0.1', port: 5432, tags: ['primary'], status: 'passing', datacenter: 'dc-b' },
    ])
    expect((await readService(client, 'db')).instances).toEqual([])
    const query = { Name: 'db', Service: { Service: 'db', OnlyPassing: true, Failover: { Datacenters: ['dc-b'] } } }
    const id = await createPreparedQuery(client, query)
    expect(await executePreparedQuery(client, 'db')).toMatchObject({ datacenter: 'dc-b' })
    const tagged = { ...query, Service: { ...query.Service, Tags: ['replica'] } }
    await replacePreparedQuery(client, id, tagged)
    expect(await executePreparedQuery(client, 'db')).toMatchObject({ instances: [] })
    expect((await readPreparedQueries(client)).queries).toMatchObject([{ id, name: 'db' }])
    expect(await executePreparedQuery(client, 'none')).toBeNull()
  })

  test('keep configuration entries, which are written on the index that was seen', async () => {
    const client = at('dc-a')
    expect(await readConfigEntry(client, 'service-resolver', 'db')).toBeNull()
    const resolver = { Kind: 'service-resolver', Name: 'db', Redirect: { Datacenter: 'dc-b' } }
    expect(await writeConfigEntry(client, resolver, 0)).toBe(true)
    // What it is already it may become at any index.
    expect(await writeConfigEntry(client, resolver, 0)).toBe(true)
    const another = { ...resolver, Redirect: { Datacenter: 'dc-c' } }
    expect(await writeConfigEntry(client, another, 0)).toBe(false)
    const { modifyIndex = 0 } = (await readConfigEntry(client, 'service-resolver', 'db')) ?? {}
    expect(await writeConfigEntry(client, another, modifyIndex)).toBe(true)
    expect(await readConfigEntry(client, 'service-resolver', 'db')).toMatchObject({
      definition: { Redirect: { Datacenter: 'dc-c' } },
    })
  })

  test('are saved, and restored into another server', async () => {
    await writeKey(at('dc-a'), 'kept', 'in a snapshot', { cas: 0 })
    const snapshot = await saveSnapshot(at('dc-a'), 16 * 1024 * 1024)
    const scratch = await startConsul(['dc-a'])
    try {
      const client = clientOf([scratch.datacenter('dc-a').url], '')
      const { url } = scratch.datacenter('dc-a')
      const restored = await fetch(`${url}/v1/snapshot`, { method: 'PUT', body: new Uint8Array(snapshot) })
      expect(restored.status).toBe(200)
      expect(await readKey(client, 'kept')).toMatchObject({ value: 'in a snapshot' })
    } finally {
      await scratch.stop()
    }
  }, 60_000)
})

describe('what keeps Consul from an answer', () => {
  test('is silent where no address answers, and the next one is asked where one does not', async () => {
    const [closed] = await freePorts(1)
    const dead = `http://127.0.0.1:${closed}`
    expect(await readLeader(clientOf([dead, `${world.datacenter('dc-a').url}/`]))).not.toBeNull()
    await expect(readLeader(clientOf([dead]))).rejects.toMatchObject({
      code: 'silent',
      retry: 'transient',
      unanswered: true,
    })
  })

  test('is known to be the lack of a leader', async () => {
    const alone = await startConsul(['dc-a'], { leaderless: true })
    try {
      const client = clientOf([alone.datacenter('dc-a').url], '')
      expect(await readLeader(client)).toBeNull()
      await expect(readKey(client, 'app/site')).rejects.toMatchObject({ code: 'leaderless', retry: 'transient' })
    } finally {
      await alone.stop()
    }
  }, 60_000)

  // The last one: it kills a datacenter.
  test('says nothing of another datacenter that cannot be reached, which the catalogue lists on', async () => {
    const client = at('dc-a')
    await world.datacenter('dc-b').kill()
    await expect(readKey(client, 'app/site', { datacenter: 'dc-b' })).rejects.toMatchObject({
      code: 'remote',
      retry: 'transient',
    })
    expect(await world.call('dc-a', 'GET', 'catalog/datacenters')).toContain('dc-b')
    await until('the member of the WAN to have failed', { deadline: 90_000, every: 500 }, async () => {
      const { members } = await readWanMembers(client)
      return members.some(({ datacenter, status }) => datacenter === 'dc-b' && status === 'failed')
    })
  }, 150_000)
})
