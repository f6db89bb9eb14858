import { describe, expect, test } from '@jest/globals'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { guardedUnits, judged } from '../../../../src/drivers/patroni/guarded-units.ts'
import type { Database } from '../../../../src/drivers/patroni/spec.ts'
import { inputError } from '../../../../src/errors/standby-error.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { patroniFixture } from '../../../conformance/fixtures/patroni.ts'

const MEMBER = {
  name: 'pg-a1',
  cluster: 'shop on dc-a',
  runs: false,
  writes: false,
  hasData: true,
  stored: { says: 'primary', why: 'its store does not say that the site follows another one' },
  cached: 'unread',
} as const
const stored = (says: 'standby' | 'primary' | 'none' | 'unread') => ({ stored: { says, why: says } })

describe('a stopped member of a site that is not active', () => {
  test('may start only where its store says that the site follows', () => {
    expect(judged({ ...MEMBER, ...stored('standby') })).toMatchObject({ is: 'passive', start: 'harmless' })
    expect(judged({ ...MEMBER, ...stored('primary') })).toMatchObject({ is: 'shut', start: 'opens' })
    expect(judged({ ...MEMBER, ...stored('unread') })).toMatchObject({ is: 'shut', start: 'unknown' })
  })
  test('is not let through by an old copy of the configuration', () => {
    expect(judged({ ...MEMBER, ...stored('primary'), cached: 'standby' }).start).toBe('opens')
    expect(judged({ ...MEMBER, ...stored('unread'), cached: 'standby' }).start).toBe('unknown')
  })
  test('may start without data where its site begins anew, or follows', () => {
    for (const says of ['none', 'standby'] as const)
      expect(judged({ ...MEMBER, ...stored(says), hasData: false })).toMatchObject({ is: 'passive', start: 'harmless' })
  })
  test('may not start without data where it could become a primary: its disk may be mounted a moment later', () => {
    expect(judged({ ...MEMBER, ...stored('primary'), hasData: false })).toMatchObject({ is: 'passive', start: 'opens' })
    expect(judged({ ...MEMBER, ...stored('unread'), hasData: false }).start).toBe('unknown')
  })
  test('is taken for a primary where it has data, and its store holds nothing', () => {
    expect(judged({ ...MEMBER, ...stored('none') })).toMatchObject({ is: 'shut', start: 'opens' })
    expect(judged({ ...MEMBER, ...stored('none'), runs: true }).is).toBe('open')
  })
})

describe('a running member of a site that is not active', () => {
  const running = { ...MEMBER, runs: true }
  test('is open while PostgreSQL takes writes, whatever its store says', () => {
    for (const says of ['standby', 'primary', 'unread'] as const)
      expect(judged({ ...running, ...stored(says), writes: true }).is).toBe('open')
  })
  test('is open while Patroni may promote it: a replica of the former active site', () => {
    expect(judged({ ...running, ...stored('primary') }).is).toBe('open')
    expect(judged({ ...running, ...stored('unread'), cached: 'primary' }).is).toBe('open')
  })
  test('is left alone while it follows, also for the time in which its store is silent', () => {
    expect(judged({ ...running, ...stored('standby') }).is).toBe('passive')
    expect(judged({ ...running, ...stored('unread'), cached: 'standby' }).is).toBe('passive')
  })
  test('is not touched blindly', () => {
    expect(judged({ ...running, ...stored('unread') }).is).toBe('unknown')
  })
})

const CONTROL = `Database cluster state: in production
Latest checkpoint location: 0/3000148
Latest checkpoint's TimeLineID: 3
Bytes per WAL segment: 16777216
`

describe('a member as its machine sees it', () => {
  const component = patroniFixture.component as unknown as Database
  const [unit] = guardedUnits.units(component, 'dc-a' as SiteName, 'db-1')
  if (unit === undefined) throw new Error('the machine has no unit')
  /** `standby`: what the store says under `standby_cluster`. */
  function contextOf({
    standby,
    data = 'data',
    controldata = CONTROL,
    postgres = 'stopped',
    state = 'inactive',
  }: Machine) {
    const encoded = (text: string): string => Buffer.from(text).toString('base64')
    const config = encoded(JSON.stringify({ ttl: 30, standby_cluster: standby }))
    const kvs = [{ key: encoded('/service/app/config'), value: config, mod_revision: '7' }]
    const answers: readonly (readonly [words: string, stdout: string])[] = [
      ['is-active', state],
      ['postmaster.pid', postgres],
      ['PG_VERSION', data],
      ['pg_controldata', controldata],
    ]
    return {
      stack: { sites: [{ name: 'dc-a' }] },
      signal: AbortSignal.timeout(10_000),
      http: async () => ({ status: 200, body: JSON.stringify({ kvs }), headers: {} }),
      platform: () => ({
        async run(_machine: string, command: string) {
          const stdout = answers.find(([words]) => command.includes(words))?.[1] ?? ''
          return { code: 0, stdout, stderr: '' }
        },
      }),
    } as unknown as DriverContext
  }
  interface Machine {
    readonly standby: JsonObject | null
    readonly data?: string
    readonly controldata?: string
    readonly postgres?: string
    readonly state?: string
  }

  test('follows only where Patroni itself counts its standby_cluster', async () => {
    expect(await unit.look(contextOf({ standby: { host: '192.0.2.2' } }))).toMatchObject({ start: 'harmless' })
    // None of host, port and restore_command: Patroni takes it for the cluster of an active site (global_config.py).
    for (const standby of [
      null,
      {},
      { primary_slot_name: 'dc_a' },
      { host: '', create_replica_methods: ['basebackup'] },
    ])
      expect(await unit.look(contextOf({ standby }))).toMatchObject({ is: 'shut', start: 'opens' })
  })

  test('is not called passive while no one can tell whether its PostgreSQL takes writes', async () => {
    const running = { standby: { host: '192.0.2.2' }, postgres: 'runs', state: 'active' }
    const seen = (controldata: string) => unit.look(contextOf({ ...running, controldata }))
    expect(await seen(CONTROL.replace('in production', 'in archive recovery'))).toMatchObject({ is: 'passive' })
    expect(await seen(CONTROL)).toMatchObject({ is: 'open' })
    // pg_controldata is in no PATH of Debian.
    expect(await seen('')).toMatchObject({ is: 'unknown', start: 'harmless' })
  })

  test('is called unseen before its next boot where the guard has no login for the store: it would wait for ever', async () => {
    const { spec } = component
    const guarded: Database = {
      ...component,
      spec: { ...spec, store: { ...spec.store, authority: { file: 'ca.pem' } } },
    }
    const context: DriverContext = {
      ...contextOf({
        standby: { host: '192.0.2.2' },
        postgres: 'runs',
        state: 'active',
        controldata: CONTROL.replace('in production', 'in archive recovery'),
        data: 'data\n{"standby_cluster":{"host":"192.0.2.2"}}',
      }),
      credential: async () => {
        throw inputError('credential-missing', 'the file ca.pem cannot be read')
      },
    }
    const seen = guardedUnits.units(guarded, 'dc-a' as SiteName, 'db-1').map((one) => one.look(context))
    expect(await Promise.all(seen)).toEqual([
      { is: 'unknown', start: 'unknown', why: 'its store cannot be read: the file ca.pem cannot be read' },
    ])
  })
})
