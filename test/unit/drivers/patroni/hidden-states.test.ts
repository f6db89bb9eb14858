import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { fence } from '../../../../src/drivers/patroni/failover/fence.ts'
import { promoteLost } from '../../../../src/drivers/patroni/failover/promote-lost.ts'
import type { MemberHost } from '../../../../src/drivers/patroni/host.ts'
import { demote } from '../../../../src/drivers/patroni/move/demote.ts'
import { refuseUnreadable } from '../../../../src/drivers/patroni/rejoin/keep-evidence.ts'
import { wipe } from '../../../../src/drivers/patroni/rejoin/wipe.ts'
import { type DatabaseRun, wake } from '../../../../src/drivers/patroni/run.ts'
import { type Database, standbyClusterOf } from '../../../../src/drivers/patroni/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { patroniFixture } from '../../../conformance/fixtures/patroni.ts'
import { awakeClock } from '../../../support/awake-clock.ts'

const component = patroniFixture.component as unknown as Database
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const FAILOVER: Intent = { mode: 'failover', from: A, to: B }

interface Answers {
  /** Keys of the scope in the store. */
  readonly keys: Readonly<Record<string, unknown>>
  /** A REST API: of a GET or a PATCH. */
  member?(url: string): Promise<JsonObject> | JsonObject
  /** A command on a host. */
  host?(machine: string, command: string): { readonly code: number; readonly stdout?: string }
}
function runOf<Parameters extends JsonObject>(site: SiteName, parameters: Parameters, answers: Answers) {
  const encoded = (text: string): string => Buffer.from(text).toString('base64')
  const kvs = Object.entries(answers.keys).map(([key, value]) => ({
    key: encoded(`/service/app/${key}`),
    value: encoded(typeof value === 'string' ? value : JSON.stringify(value)),
    mod_revision: '7',
  }))
  const context = {
    stack: { sites: [A, B].map((name) => ({ name })) },
    log: { info: () => undefined, debug: () => undefined },
    clock: { now: () => new Date(0), sleep: async () => undefined },
    credential: async () => 'secret',
    async http({ url }: { readonly url: string }) {
      const body = url.endsWith('/v3/kv/range') ? { kvs } : await (answers.member?.(url) ?? {})
      return { status: 200, body: JSON.stringify(body), headers: {} }
    },
    platform: () => ({
      run: async (machine: string, command: string) => ({
        stdout: '',
        stderr: '',
        ...(answers.host?.(machine, command) ?? { code: 1 }),
      }),
    }),
  }
  return {
    step: { id: 'database.step', phase: 'PROMOTE', parameters },
    component,
    site,
    intent: FAILOVER,
    context,
    signal: AbortSignal.timeout(30_000),
    begunAt: '2026-11-30T08:00:00.000Z',
    memory: { value: undefined, set: () => undefined },
    applied: false,
    pastReturn: true,
    proofOf: () => null,
  } as unknown as DatabaseRun<Parameters>
}

describe('a Patroni cluster whose state is not what it seems', () => {
  test('has its evidence refused, and not called empty, where a control file is there and cannot be read', async () => {
    const answering = (code: number, stderr = ''): MemberHost =>
      ({ where: 'dc-a db-1', shell: async () => ({ code, stdout: '', stderr }) }) as unknown as MemberHost
    // As on Debian, where pg_controldata is in no PATH.
    await expect(refuseUnreadable(answering(127, 'sh: 1: pg_controldata: not found'))).rejects.toMatchObject({
      code: 'patroni-evidence-unreadable',
      message: expect.stringContaining('pg_controldata: not found'),
    })
    await expect(refuseUnreadable(answering(0))).resolves.toBeUndefined()
  })

  test('loses the data of no host while PostgreSQL runs on another one', async () => {
    const deleted: string[] = []
    const run = runOf(
      A,
      { followed: 'dc-b' },
      {
        keys: { config: { standby_cluster: standbyClusterOf(component, 'dc-a', 'dc-b') } },
        host(machine, command) {
          if (command.includes('-delete')) deleted.push(machine)
          if (command.includes('postmaster.pid')) return { code: 0, stdout: machine === 'db-2' ? 'runs' : 'stopped' }
          return { code: 0, stdout: 'inactive' }
        },
      },
    )
    const { behaviour } = wipe
    if (behaviour.is !== 'plain') throw new Error('a wipe is plain')
    await expect(behaviour.apply(run)).rejects.toMatchObject({ code: 'patroni-not-stopped' })
    expect(deleted).toEqual([])
  })

  test('is not fenced while a boot starts it: a machine that boots calls a unit inactive until its turn', async () => {
    const fenced = async (file: string) => {
      const run = runOf(
        A,
        {},
        {
          keys: {},
          host(machine, command) {
            const asked = ['is-active', 'is-enabled'].filter((verb) => command.includes(verb))
            const says = { 'is-active': 'inactive', 'is-enabled': machine === 'db-2' ? file : 'disabled' }
            return {
              code: 0,
              stdout: asked.length === 0 ? 'stopped' : asked.map((verb) => says[verb as 'is-active']).join('\n'),
            }
          },
        },
      )
      return fence.behaviour.done(run as never)
    }
    for (const file of ['enabled', 'enabled-runtime'])
      expect(await fenced(file)).toMatchObject({ is: 'pending', waitingFor: expect.stringContaining('pg-a2') })
    for (const file of ['disabled', 'masked', '']) expect(await fenced(file)).toMatchObject({ is: 'done' })
  })

  test('is promoted also where PostgreSQL left out a number of a timeline that its archive knew', async () => {
    const primary = {
      role: 'primary',
      state: 'running',
      timeline: 6,
      xlog: { location: 84_050_900 },
      database_system_identifier: '1',
      patroni: { name: 'pg-b1', scope: 'app', version: '4.1.4' },
    }
    const run = runOf(
      B,
      { follows: 'dc-a', fenced: 'database.fence@dc-a', lastSeenAt: null },
      {
        // Patroni writes the lines of the file: the last one is not of timeline 5.
        keys: { config: { ttl: 30 }, leader: 'pg-b1', history: [[4, 84_050_464, 'no recovery target specified']] },
        member: (url) => (url.includes('10.2.0.11') ? primary : { state: 'stopped' }),
        host: (_machine, command) =>
          command.includes('00000006.history') ? { code: 0, stdout: '4\t0/5028220\tno recovery target' } : { code: 1 },
      },
    )
    expect(await promoteLost.behaviour.done(run as never)).toMatchObject({
      is: 'done',
      proof: { timeline: 6, forkedFrom: 4, forkedAt: '0/5028220' },
    })
  })

  test('is woken within seconds, however slowly its REST API answers with what was before', async () => {
    const member = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      return { ttl: 20 }
    }
    const took = awakeClock()
    await wake(runOf(B, {}, { keys: { config: { ttl: 30 }, leader: 'pg-b1' }, member }), B, { ttl: 30 })
    expect(took()).toBeLessThan(10_000)
  })
})

/** What a demotion sees of two members, of which the first was the primary. */
interface Demotion {
  readonly primary?: JsonObject | 'silent'
  readonly replica?: JsonObject | 'silent'
  /** `Database cluster state`, and what the two looks for a postmaster find. */
  readonly state?: string
  readonly postmaster?: readonly [before: string, after: string]
}
const [CHECKPOINT, END] = [0x3000148, 0x30001c0]
const STOPPING: JsonObject = { state: 'stopping', role: 'primary' }
const DEMOTED: JsonObject = { state: 'stopped', role: 'demoted' }
const replicaAt = (position: number): JsonObject => ({
  state: 'running',
  role: 'replica',
  xlog: { received_location: position, replayed_location: position },
})

function demotionSeen({ primary = STOPPING, replica = replicaAt(END), ...host }: Demotion) {
  const { state = 'shut down', postmaster: [before, after] = ['stopped', 'stopped'] } = host
  const control = `before: ${before}
Database cluster state: ${state}
Latest checkpoint location: 0/3000148
Latest checkpoint's TimeLineID: 3
WAL block size: 8192
Bytes per WAL segment: 16777216
rmgr: XLOG len (rec/tot): 114/ 114, tx: 0, lsn: 0/03000148, prev 0/030000D0, desc: CHECKPOINT_SHUTDOWN redo 0/3000148
after: ${after}`
  const run = runOf(
    A,
    { successor: 'dc-b', members: ['pg-a1', 'pg-a2'] },
    {
      keys: { config: { standby_cluster: standbyClusterOf(component, 'dc-a', 'dc-b') }, leader: 'pg-a1' },
      member(url) {
        const said = url.includes('10.1.0.11') ? primary : replica
        if (said === 'silent') throw siteError('http-silent', 'no answer', { where: url, retry: 'transient' })
        return said
      },
      host: (machine) => ({ code: 0, stdout: machine === 'db-1' ? control : '' }),
    },
  )
  return demote.behaviour.done(run as never)
}

describe('a demotion of a primary that has not come back as a standby yet', () => {
  test('counts once PostgreSQL is proven to have ended, and the other member stands at its end', async () => {
    expect(await demotionSeen({})).toMatchObject({
      is: 'done',
      proof: { endedAt: END, timeline: 3, leader: 'pg-a1' },
    })
    expect(await demotionSeen({ primary: DEMOTED })).toMatchObject({ is: 'done' })
    // It waits until its last WAL is archived.
    expect(await demotionSeen({ postmaster: ['runs', 'runs'] })).toMatchObject({ is: 'done' })
    expect(await demotionSeen({ postmaster: ['runs', 'stopped'] })).toMatchObject({ is: 'done' })
  })

  test('counts also the primary that is a standby again, and has connected to no one: what it has is what it replayed', async () => {
    const primary = {
      state: 'running',
      role: 'standby_leader',
      timeline: 3,
      xlog: { received_location: 0x3000000, replayed_location: END },
    }
    expect(await demotionSeen({ primary })).toMatchObject({ is: 'done', proof: { endedAt: END, leader: '' } })
  })

  const traps: readonly (readonly [what: string, Demotion])[] = [
    ['its Patroni hangs, or has died', { primary: 'silent' }],
    ['its Patroni knows of no demotion', { primary: { state: 'stopped', role: 'primary' } }],
    ['it is restarted as what it was', { primary: { state: 'restarting', role: 'primary' } }],
    ['it starts again', { primary: { state: 'starting', role: 'replica' } }],
    ['its PostgreSQL does not stop', { state: 'shutting down', postmaster: ['runs', 'runs'] }],
    ['a postmaster runs that its Patroni knows nothing of', { primary: DEMOTED, postmaster: ['runs', 'runs'] }],
    ['its PostgreSQL has crashed', { state: 'in production' }],
    ['its PostgreSQL starts while its control file is read', { postmaster: ['stopped', 'runs'] }],
    ['it was a standby', { state: 'shut down in recovery' }],
    ['the other member lacks the last record', { replica: replicaAt(CHECKPOINT) }],
    ['the other member has more than it wrote', { replica: replicaAt(END + 64) }],
    ['the other member hangs', { replica: 'silent' }],
    ['the other member takes writes', { replica: { state: 'running', xlog: { location: END } } }],
    ['the other member is stopped too', { replica: { state: 'stopped', role: 'replica' } }],
  ]
  test.each(traps)('does not count while %s', async (_what, seen) => {
    const { is } = await demotionSeen(seen)
    expect(is).toBe('pending')
  })
})
