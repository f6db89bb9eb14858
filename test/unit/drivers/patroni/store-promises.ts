import { describe, expect, test } from '@jest/globals'
import { askOverHttp } from '../../../../src/clients/http-question.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { storeOf } from '../../../../src/drivers/patroni/dcs/open-store.ts'
import type { PatroniStore } from '../../../../src/drivers/patroni/dcs/store.ts'
import type { Database, StoreSpec } from '../../../../src/drivers/patroni/spec.ts'
import { patroniFixture } from '../../../conformance/fixtures/patroni.ts'
import { freePorts } from '../../../support/server-process.ts'

export const site = 'dc-a' as SiteName
export const CONFIG = { ttl: 30, standby_cluster: { host: '10.2.0.11' } }

/** A store as a stack file declares it, with the credentials that it refers to. */
export function openStore(store: StoreSpec, credentials: Readonly<Record<string, string>> = {}): PatroniStore {
  const fixture = patroniFixture.component as unknown as Database
  const signal = AbortSignal.timeout(20_000)
  const context = {
    http: (request) => askOverHttp(request, [signal]),
    credential: async (reference) => credentials['env' in reference ? reference.env : ''] ?? '',
  } as Pick<DriverContext, 'http' | 'credential'>
  const call = { reach: { site }, deadline: 5_000, signal }
  return storeOf({ ...fixture, spec: { ...fixture.spec, store } }, site, context, call)
}

/** A real server, and how Patroni writes there. */
export interface StoreServer {
  readonly kind: StoreSpec['kind']
  url(): string
  /** Writes a key below the namespace of Patroni: `app/config`. */
  put(key: string, value: string): Promise<void>
  /** The member takes the lock of the scope `app`, or (null) no member has it. */
  lead(member: string | null): Promise<void>
}

/** What every kind of store promises. The tests build on one another. */
export function testStore(server: StoreServer): void {
  const store = (...endpoints: readonly string[]): PatroniStore =>
    openStore({ kind: server.kind, endpoints: { [site]: endpoints.length === 0 ? [server.url()] : endpoints } })

  describe(`the store of Patroni in ${server.kind}`, () => {
    test('is read at one moment, and another scope that begins with the same letters is none of it', async () => {
      expect(await store().read()).toEqual({
        config: null,
        leader: null,
        initialized: null,
        history: [],
        switchover: null,
      })
      await server.put('app/config', JSON.stringify(CONFIG))
      await server.lead('pg-a1')
      await server.put('app/initialize', '7713878299140027053')
      const line = '[1,50331808,"no recovery target specified","2026-11-30T08:00:00+00:00","pg-a1"]'
      await server.put('app/history', `[${line}]`)
      await server.put('app2/leader', 'pg-x')
      expect(await store().read()).toMatchObject({
        config: { value: CONFIG },
        leader: 'pg-a1',
        initialized: '7713878299140027053',
        history: [[1, 50_331_808]],
      })
    })

    test('asks for no switchover inside the site once Patroni has carried it out, and left an empty value', async () => {
      const wish = JSON.stringify({ leader: 'pg-a1', member: 'pg-a2' })
      await server.put('app/failover', wish)
      expect(await store().read()).toMatchObject({ switchover: wish })
      await server.put('app/failover', '{}')
      expect(await store().read()).toMatchObject({ switchover: null })
    })

    test('replaces the configuration on the revision that was seen, and on no other one', async () => {
      const seen = (await store().read()).config
      if (seen === null) throw new Error('no configuration')
      expect(await store().replaceConfig({ ttl: 20 }, seen.revision)).toBe(true)
      expect(await store().replaceConfig({ ttl: 99 }, seen.revision)).toBe(false)
      const now = (await store().read()).config
      expect(now?.value).toEqual({ ttl: 20 })
      expect(await store().replaceConfig({ ttl: 99 }, '0')).toBe(false)
    })

    test('gives the configuration another revision by the same value: what rests on the former one fails', async () => {
      for (let time = 1; time <= 3; time += 1) {
        const now = (await store().read()).config
        expect(await store().replaceConfig({ ttl: 20 }, now?.revision ?? '')).toBe(true)
        expect(await store().replaceConfig(CONFIG, now?.revision ?? '')).toBe(false)
      }
      await server.put('app/config', JSON.stringify({ ttl: 20 }))
      const { revision = '' } = (await store().read()).config ?? {}
      expect(await store().replaceConfig({ ttl: 20 }, revision)).toBe(true)
      expect((await store().read()).config).toMatchObject({ value: { ttl: 20 } })
      expect((await store().read()).config?.revision).not.toBe(revision)
    })

    test('replaces the configuration for a move only while the member holds the lock that was seen to hold it', async () => {
      const revision = (await store().read()).config?.revision ?? ''
      expect(await store().replaceConfig({ ttl: 99 }, revision, 'pg-a2')).toBe(false)
      await server.lead(null)
      expect(await store().replaceConfig({ ttl: 99 }, revision, 'pg-a1')).toBe(false)
      await server.lead('pg-a1')
      expect(await store().replaceConfig({ ttl: 20 }, revision, 'pg-a1')).toBe(true)
    })

    test('forgets the database and its history, and nothing else, while the configuration is as it was seen', async () => {
      const { config } = await store().read()
      expect(await store().forgetDatabase('1')).toBe(false)
      expect((await store().read()).initialized).not.toBeNull()
      expect(await store().forgetDatabase(config?.revision ?? '')).toBe(true)
      expect(await store().read()).toMatchObject({ config, leader: 'pg-a1', initialized: null, history: [] })
      // What is forgotten already is forgotten.
      expect(await store().forgetDatabase(config?.revision ?? '')).toBe(true)
    })

    test('is asked at the next server where one is silent, and is silent where all are', async () => {
      const [closed] = await freePorts(1)
      const dead = `http://127.0.0.1:${closed}`
      expect(await store(dead, `${server.url()}/`).read()).toMatchObject({ leader: 'pg-a1' })
      await expect(store(dead).read()).rejects.toMatchObject({
        code: 'patroni-store-silent',
        retry: 'transient',
        unanswered: true,
      })
    })
  })
}
