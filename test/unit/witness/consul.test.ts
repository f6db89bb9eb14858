import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type Identity, OPERATING } from '../../../src/domain/identities.ts'
import { asStandbyError } from '../../../src/errors/standby-error.ts'
import { readActive } from '../../../src/witness/active.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { aclText, witnessAclRules } from '../../../src/witness/consul/acl-rules.ts'
import { openConsulStore } from '../../../src/witness/consul/store.ts'
import { readLock } from '../../../src/witness/lock.ts'
import { WITNESS_RIGHTS } from '../../../src/witness/rights.ts'
import { type ConsulWorld, startConsul } from '../../support/consul/server.ts'

/** What a witness in Consul says beyond what every storage promises (`on-consul.test.ts`). */
jest.setTimeout(60_000)

let world: ConsulWorld
beforeAll(async () => {
  world = await startConsul(['dc-a', 'dc-c'], { acl: true })
}, 120_000)
afterAll(() => world.stop())

/** The witness in dc-c, asked through a datacenter's server. */
const open = (
  token: string,
  { through = 'dc-c', prefix = 'shop/', endpoint = world.datacenter(through).url } = {},
): Promise<ConditionalStore> =>
  openConsulStore(
    { endpoint, datacenter: 'dc-c', prefix, token: { env: token } },
    {
      stack: 'shop',
      signal: new AbortController().signal,
      credential: async (reference) => ('env' in reference ? reference.env : ''),
      login: () => Promise.reject(new Error('no login is declared')),
      file: () => Promise.reject(new Error('no file is named')),
    },
  )
const opened = (more: Parameters<typeof open>[1] = {}): Promise<ConditionalStore> => open(world.managementToken, more)
const codeOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'done',
    (error: unknown) => asStandbyError(error).code,
  )

test('the witness is that of its datacenter, whichever datacenter is asked', async () => {
  const [near, far] = await Promise.all([opened(), opened({ through: 'dc-a' })])
  const version = await far.create('one.json', { from: 'dc-a' })
  expect(await near.get('one.json')).toMatchObject({ body: { from: 'dc-a' }, version })
  await near.replace('one.json', { from: 'dc-c' }, version)
  expect(await codeOf(far.replace('one.json', { from: 'dc-a' }, version))).toBe('witness-conflict')
  // Not a copy in the store of the datacenter that was asked.
  await expect(world.call('dc-a', 'GET', 'kv/shop/one.json')).rejects.toThrow('404')
})

describe('an object', () => {
  test('that is too large for a transaction is written all the same, with its version', async () => {
    const store = await opened()
    const body = { text: 'a'.repeat(450_000) }
    const version = await store.create('large.json', body)
    expect(await store.get('large.json')).toMatchObject({ body, version })
    await store.replace('large.json', { text: 'small' }, version)
    expect(await codeOf(store.replace('large.json', body, version))).toBe('witness-conflict')
  })

  test('that is larger than Consul takes is refused before anything is sent', async () => {
    const store = await opened()
    await expect(store.create('larger.json', { text: 'a'.repeat(600_000) })).rejects.toMatchObject({
      code: 'object-store-too-large',
      retry: 'never',
    })
    expect(await store.get('larger.json')).toBeNull()
  })

  test('that says nothing, and is no entry of ours, is damaged and not missing', async () => {
    await world.call('dc-c', 'PUT', 'kv/shop/lock.json', '')
    await expect(readLock(await opened())).rejects.toMatchObject({ code: 'witness-damaged' })
  })
})

describe('a token without a right', () => {
  test('is refused as such, and taken for no conflict: a transaction says both in the same way', async () => {
    const version = await (await opened()).create('held.json', { by: 'us' })
    const rules = `${aclText(witnessAclRules('observer', 'shop/'))}key "shop/probe.json" { policy = "write" }`
    const reader = await open(await world.createToken(rules))
    expect(await codeOf(reader.create('new.json', {}))).toBe('witness-denied')
    expect(await codeOf(reader.replace('held.json', { by: 'them' }, version))).toBe('witness-denied')
    expect(await reader.get('held.json')).toMatchObject({ body: { by: 'us' }, version })
  })

  test('gets no list that is shorter than what there is', async () => {
    await (await opened()).create('runs/r/plan.json', {})
    const some = await open(await world.createToken('key_prefix "shop/records/" { policy = "read" }'))
    expect(await codeOf(some.list('runs/'))).toBe('witness-denied')
    expect(await some.list('records/')).toEqual([])
  })
})

describe('by the rules that standby rbac prints,', () => {
  const identities: readonly Identity[] = [...OPERATING, 'guard']
  const keyIn = (keys: string): string => (keys.endsWith('/') ? `${keys}2026-11/one.json` : keys)
  const everyKey = [...WITNESS_RIGHTS.map(({ keys }) => keyIn(keys)), 'records/others/one.json', 'lock.json.old']
  /** Consul cannot let a deployer create `active.json` alone; in `deploys/` it may write. */
  const may = (identity: Identity, key: string): boolean =>
    WITNESS_RIGHTS.some(
      ({ keys, write, create = [] }) =>
        keyIn(keys) === key && (write.includes(identity) || (keys !== 'active.json' && create.includes(identity))),
    )

  test.each(identities)('the %s writes what it must, and nothing else, and reads what it may', async (identity) => {
    const token = await world.createToken(aclText(witnessAclRules(identity, `${identity}/`)))
    const asks = async (method: string, key: string): Promise<number> => {
      const { url } = world.datacenter('dc-c')
      const answer = await fetch(`${url}/v1/kv/${key}`, {
        method,
        headers: { 'x-consul-token': token },
        ...(method === 'PUT' ? { body: '{}' } : {}),
      })
      await answer.text()
      return answer.status
    }
    const allowed: string[] = []
    for (const key of everyKey) if ((await asks('PUT', `${identity}/${key}`)) === 200) allowed.push(key)
    expect(allowed).toEqual(everyKey.filter((key) => may(identity, key)))
    // The place of another stack.
    expect(await asks('PUT', 'others/lock.json')).toBe(403)
    expect(await asks('GET', `${identity}/active.json`)).not.toBe(403)
    expect((await asks('GET', `${identity}/lock.json`)) === 403).toBe(identity === 'guard')
  })
})

describe('what is silent, and not empty', () => {
  test('is a datacenter that cannot be reached, and the same again when it is back', async () => {
    const far = await opened({ through: 'dc-a' })
    await world.call('dc-c', 'PUT', 'kv/shop/active.json', '{"no":"record"}')
    await world.datacenter('dc-c').freeze()
    try {
      const began = performance.now()
      expect(await codeOf(far.get('active.json'))).toBe('witness-unreachable')
      expect(await codeOf(far.create('late.json', {}))).toBe('witness-unreachable')
      expect(performance.now() - began).toBeLessThan(45_000)
    } finally {
      world.datacenter('dc-c').thaw()
    }
    const again = await opened()
    expect(await again.get('active.json')).toMatchObject({ body: { no: 'record' } })
  })

  test('is a program that is no Consul: its 404 says nothing of an object', async () => {
    const other: Server = createServer((_, response) => void response.writeHead(404).end('not found'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    try {
      const store = await opened({ endpoint: `http://127.0.0.1:${(other.address() as AddressInfo).port}` })
      expect(await codeOf(readActive(store))).toBe('object-store-not-consul')
      expect(await codeOf(store.list('runs/'))).toBe('object-store-not-consul')
    } finally {
      other.close()
    }
  })
})
