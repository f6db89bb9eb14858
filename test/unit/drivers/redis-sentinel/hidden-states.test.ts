import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import type { StepRun } from '../../../../src/driver/behaviour.ts'
import type { Proof } from '../../../../src/driver/proofs.ts'
import { assessment } from '../../../../src/drivers/redis-sentinel/assess/assess.ts'
import { findingsOfSite } from '../../../../src/drivers/redis-sentinel/assess/findings-of-site.ts'
import { close, fence, fenceSteps } from '../../../../src/drivers/redis-sentinel/move/close.ts'
import { moves } from '../../../../src/drivers/redis-sentinel/move/moves.ts'
import { promoteLost } from '../../../../src/drivers/redis-sentinel/move/promote.ts'
import { wouldChoose } from '../../../../src/drivers/redis-sentinel/move/ready-sentinel.ts'
import { type GroupState, summarized } from '../../../../src/drivers/redis-sentinel/observe.ts'
import type { Group, RedisSentinelSpec } from '../../../../src/drivers/redis-sentinel/spec.ts'
import {
  REDIS_COMMANDS,
  type RedisServer,
  type RedisView,
  redisIn,
  type Sentinel,
} from '../../../../src/drivers/redis-sentinel/views.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { group, sentinel, server, stateOf } from '../../../conformance/fixtures/redis-sentinel.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const FAILOVER: Intent = { mode: 'failover', from: A, to: B }
const SILENT: RedisView = { is: 'silent', why: 'cache-a1 does not answer' }
const [A1, B1] = ['10.1.0.11:6379', '10.2.0.11:6379']
const CLOSED = { minReplicasToWrite: 1_000 }

/** What a Redis answers to the commands of a look. */
function repliesOf(one: RedisServer): string[] {
  const [host, port] = (one.follows ?? '').split(':')
  const replication =
    one.role === 'master'
      ? ['role:master', `master_repl_offset:${one.offset}`]
      : ['role:slave', `master_host:${host}`, `master_port:${port}`, `slave_repl_offset:${one.offset}`]
  const answers: Readonly<Record<string, string>> = {
    'INFO server': 'redis_version:7.0.15\r',
    'INFO replication': [
      ...replication,
      `master_replid:${one.history}`,
      `master_replid2:${one.historyBefore}`,
      `second_repl_offset:${one.leftAt === null ? -1 : one.leftAt + 1}`,
    ].join('\r\n'),
    'INFO persistence': `loading:${one.loading ? 1 : 0}\r`,
    'CONFIG GET replica-priority': `replica-priority\n${one.priority}`,
    'CONFIG GET min-replicas-to-write': `min-replicas-to-write\n${one.minReplicasToWrite}`,
    'CONFIG GET min-replicas-max-lag': `min-replicas-max-lag\n${one.minReplicasMaxLag}`,
    'CONFIG GET appendonly': 'appendonly\nyes',
    'CONFIG GET save': 'save\n',
  }
  return REDIS_COMMANDS.map((words) => answers[words.join(' ')] ?? '')
}

/** A step whose servers answer as they are given here; all others are silent. */
function runOf<Parameters extends JsonObject>(
  site: SiteName,
  servers: Readonly<Record<string, RedisServer>>,
  parameters: Parameters,
  proof: Proof | null = null,
): StepRun<RedisSentinelSpec, Parameters, unknown> {
  const hosts = {
    async run(_machine: string, command: string) {
      const [, host, port] = /-h (\S+) -p (\S+)/.exec(command) ?? []
      const one = servers[`${host}:${port}`]
      if (one === undefined) throw siteError('ssh-unreachable', 'no answer', { retry: 'transient' })
      return {
        code: 0,
        stdout: repliesOf(one)
          .map((reply) => `${reply}\n--standby--\n`)
          .join(''),
        stderr: '',
      }
    },
  }
  const stack = { sites: [A, B].map((name) => ({ name })) }
  return {
    step: { id: 'cache.step', phase: 'FENCE', parameters },
    component: group,
    site,
    intent: FAILOVER,
    context: { stack, platform: () => hosts, credential: async () => 'secret', clock: { now: () => new Date(0) } },
    signal: AbortSignal.timeout(10_000),
    begunAt: '2026-11-30T08:00:00.000Z',
    memory: { value: undefined, set: () => undefined },
    applied: false,
    pastReturn: false,
    proofOf: () => proof,
  } as unknown as StepRun<RedisSentinelSpec, Parameters, unknown>
}
const doneOf = (action: typeof close, ...of: Parameters<typeof runOf>) => action.behaviour.done(runOf(...of) as never)

describe('a Redis group whose state is not what it seems', () => {
  test('reads the offset of a master after it has read that it refuses writes', () => {
    const names = REDIS_COMMANDS.map((words) => words.join(' '))
    expect(names.indexOf('CONFIG GET min-replicas-to-write')).toBeLessThan(names.indexOf('INFO replication'))
    const one = server(null, { ...CLOSED, minReplicasMaxLag: 7, offset: 88, leftAt: 44 })
    expect(redisIn(repliesOf(one))).toMatchObject({
      minReplicasToWrite: 1_000,
      minReplicasMaxLag: 7,
      offset: 88,
      leftAt: 44,
    })
  })

  test('follows the same site, whichever of its replicas has received the most', () => {
    const state = stateOf('dc-a', 'dc-b')
    const first = server(B1, { offset: 100 })
    for (const offset of [99, 100, 101]) {
      const redis = { 'cache-a2': server(A1, { offset }), 'cache-a1': first }
      expect(summarized(group, A, { ...state, redis }).facts).toEqual([
        { name: 'follows', value: 'dc-b', binds: 'exactly' },
      ])
    }
  })

  test('takes no master for closed whose min-replicas-max-lag is 0: Redis then ignores min-replicas-to-write', async () => {
    const open = server(null, { ...CLOSED, minReplicasMaxLag: 0 })
    expect(await doneOf(close, A, { [A1]: open }, {})).toMatchObject({ is: 'failed', code: 'sentinel-cannot-close' })
    const state = stateOf('dc-a', 'dc-a')
    const states = { [A]: summarized(group, A, { ...state, redis: { ...state.redis, 'cache-a1': open } }) }
    const found = findingsOfSite(group, A, states, 'source', A)
    expect(found).toContainEqual(expect.objectContaining({ code: 'sentinel-cannot-close', severity: 'blocker' }))
  })

  test('does not take the position of a master that still loads its data', async () => {
    const loading = server(null, { ...CLOSED, loading: true })
    expect(await doneOf(close, A, { [A1]: loading, '10.1.0.12:6379': server(A1, CLOSED) }, {})).toMatchObject({
      is: 'pending',
      waitingFor: 'cache-a1 to have loaded its data',
    })
  })

  test('fences a site that answers in part: the Redis that is silent may be the master', () => {
    const state = stateOf('dc-a', 'dc-a')
    const of = (redis: GroupState['redis']) => ({ [A]: summarized(group, A, { ...state, redis }) })
    const replica = server(A1)
    expect(fenceSteps(group, of({ 'cache-a1': SILENT, 'cache-a2': replica }), FAILOVER)).toHaveLength(1)
    expect(fenceSteps(group, of({ 'cache-a1': server(B1), 'cache-a2': server(B1) }), FAILOVER)).toEqual([])
  })

  test('does not call a site open again while the Redis that may be its closed master is silent', async () => {
    const { back } = fence.behaviour as { back: { undone(run: unknown): Promise<{ is: string }> } }
    const replica = { '10.1.0.12:6379': server(A1) }
    expect(await back.undone(runOf(A, replica, {}))).toMatchObject({ is: 'pending' })
    expect(await back.undone(runOf(A, {}, {}))).toMatchObject({ is: 'unknown' })
    expect(await back.undone(runOf(A, { ...replica, [A1]: server(null) }, {}))).toMatchObject({ is: 'done' })
  })

  test('has not promoted a Redis that an earlier move left closed', async () => {
    const parameters = { chosen: 'cache-b1', fenced: 'cache.fence@dc-a', silentFor: 3 }
    expect(
      await promoteLost.behaviour.done(runOf(B, { [B1]: server(null, CLOSED) }, parameters) as never),
    ).toMatchObject({
      is: 'pending',
      waitingFor: 'cache-b1 to accept writes',
    })
  })

  test('measures the loss at the offset of the promotion, however much was written since', async () => {
    const parameters = { chosen: 'cache-b1', fenced: 'cache.fence@dc-a', silentFor: 3 }
    const closed = {
      master: 'cache-a1',
      offset: 1_000,
      history: 'before',
      closedAt: '2026-11-30T08:00:00.000Z',
    } as Proof
    const promoted = { history: 'after', historyBefore: 'before', leftAt: 900, offset: 5_000 }
    const lossOf = async (more: Partial<RedisServer>) => {
      const run = runOf(B, { [B1]: server(null, { ...promoted, ...more }) }, parameters, closed)
      const seen = await promoteLost.behaviour.done(run as never)
      return seen.is === 'done' ? (seen.proof as { loss?: unknown }).loss : seen
    }
    expect(await lossOf({})).toMatchObject({ bytes: [100, 100], seconds: [0, 3] })
    // It went on from another history than that of the closed master.
    expect(await lossOf({ historyBefore: 'another' })).toMatchObject({ bytes: [0, null] })
  })

  test('asks no Sentinel whose memory of the priorities would have it promote another Redis', () => {
    const known = (priorities: Readonly<Record<string, number>>, down: readonly string[] = []) =>
      sentinel(A1, {
        replicas: Object.entries(priorities).map(([address, priority]) => ({
          address,
          priority,
          flags: down.includes(address) ? ['slave', 's_down'] : ['slave'],
          linked: true,
        })),
      })
    const would = (one: ReturnType<typeof sentinel>) => wouldChoose(group, B, 'cache-b1', one)
    const A2 = '10.1.0.12:6379'
    expect(would(known({ [B1]: 1, [A2]: 0 }))).toBe(true)
    expect(would(known({ [B1]: 1, [A2]: 20 }))).toBe(true)
    // Of before the step `aim`, up to 10 s ago.
    expect(would(known({ [B1]: 0, [A2]: 20 }))).toBe(false)
    expect(would(known({ [B1]: 1, [A2]: 1 }))).toBe(false)
    expect(would(known({ [B1]: 1, [A2]: 1 }, [A2]))).toBe(true)
    expect(would(known({ [A2]: 0 }))).toBe(false)
  })

  test('leads Sentinels in a rejoin only where none of a newer epoch does', () => {
    const rejoin: Intent = { mode: 'rejoin', from: B, to: A }
    const planned = (own: Partial<Sentinel>, other: Partial<Sentinel>) => {
      const of = (site: 'dc-a' | 'dc-b', name: string, one: Sentinel) =>
        summarized(group, site, { ...stateOf(site, 'dc-b'), sentinels: { [name]: one } })
      const states = {
        [A]: of('dc-a', 'sentinel-a', sentinel(A1, other)),
        [B]: of('dc-b', 'sentinel-b', sentinel(B1, own)),
      }
      return (moves.rejoin?.(group, states, rejoin, {} as never) ?? []).map(({ action }) => action)
    }
    // As after each failover by Sentinel: the one that came back adopts what the other one says.
    expect(planned({ epoch: 4 }, { epoch: 3 })).not.toContain('unite')
    // As after SENTINEL REMOVE and MONITOR: the one that came back would lead the other one astray.
    expect(planned({ epoch: 0 }, { epoch: 3 })).toContain('unite')
    expect(planned({ epoch: 3 }, { epoch: 3 })).toContain('unite')
    expect(planned({ master: A1 }, {})).toContain('unite')
  })

  test('warns of a failover to a Redis that demands more replicas than would be left', () => {
    const { 'dc-b': declared, ...others } = group.spec.sites
    const demanding = (minReplicasToWrite: number): Group => ({
      ...group,
      spec: {
        ...group.spec,
        sites: {
          ...others,
          'dc-b': {
            ...declared,
            redis: { ...declared?.redis, 'cache-b1': { host: 'db-1', address: B1, priority: 10, minReplicasToWrite } },
            sentinels: declared?.sentinels ?? {},
          },
        },
      },
    })
    const codesOf = (component: Group) =>
      assessment.moves
        ?.failover?.(
          component,
          {
            [A]: summarized(component, A, stateOf('dc-a', 'dc-a')),
            [B]: summarized(component, B, stateOf('dc-b', 'dc-a')),
          },
          FAILOVER,
          { activeSite: A, stack: { sites: [{ name: A }, { name: B }] } } as unknown as Assessment,
        )
        .map(({ code }) => code)
    expect(codesOf(demanding(1))).not.toContain('sentinel-few-replicas')
    expect(codesOf(demanding(2))).toContain('sentinel-few-replicas')
  })
})
