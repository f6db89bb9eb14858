import { describe, expect, test } from '@jest/globals'
import type { ExecResult } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { dumpStep } from '../../../../src/drivers/redis/backup.ts'
import { FACTS } from '../../../../src/drivers/redis/scripts.ts'
import type { RedisSpec } from '../../../../src/drivers/redis/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { redis } from '../../../support/flat/drivers.ts'
import { theCache } from '../../../support/redis-cache.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const dcB = 'dc-b' as SiteName
const restore = behaviourOf(redis, 'restore')
const dump = behaviourOf(redis, 'dump')
const cache = theCache({
  backup: { store: 'archive', prefix: 'redis', images: { dump: 'redis:7.4.6', upload: 'curl:8' } },
})
const READY = { conditions: [{ type: 'Ready', status: 'True' }] }
const KNOWING = { containers: [{ name: 'redis' }, { name: 'transfer' }] }

interface Call {
  readonly verb: string
  readonly of: string
  readonly stdin?: string
}
type Answer = Partial<ExecResult> | Error

/**
 * A site whose pod answers commands in its containers with these answers, one after another; all that was done to it.
 */
function site(answers: readonly Answer[], around: { readonly containers?: object; readonly facts?: string } = {}) {
  const calls: Call[] = []
  const left = [...answers]
  const objects: Record<string, object> = {
    Pod: { metadata: { uid: 'pod-1' }, status: READY, spec: around.containers ?? KNOWING },
    Secret: { metadata: { resourceVersion: '7' }, data: {} },
    CronJob: { spec: { jobTemplate: { spec: {} } } },
  }
  const kubernetes = {
    get: async ({ kind }: { kind: string }) => objects[kind] ?? null,
    exec: async ({ container }: { container: string }, argv: readonly string[], { stdin }: { stdin?: string }) => {
      if (argv.includes(FACTS)) return { code: 0, stdout: around.facts ?? '', stderr: '' }
      calls.push({ verb: 'exec', of: container, ...(stdin === undefined ? {} : { stdin }) })
      const answer = left.shift() ?? {}
      if (answer instanceof Error) throw answer
      return { code: 0, stdout: '', stderr: '', ...answer }
    },
    patch: async ({ kind }: { kind: string }) => calls.push({ verb: 'patch', of: kind }),
    create: async ({ kind }: { kind: string }) => calls.push({ verb: 'create', of: kind }),
    remove: async ({ kind }: { kind: string }) => calls.push({ verb: 'remove', of: kind }),
  }
  const store = { presignedGet: async (key: string) => `https://s3/${key}?signed` }
  const context = {
    stack: toyStack,
    kubernetes: () => kubernetes,
    objectStore: () => ({ location: {}, open: async () => store }),
    log: { info: () => undefined },
  }
  const run = { component: cache, context, begunAt: '2026-11-24T06:00:00.123Z', signal: AbortSignal.timeout(5_000) }
  return { calls, run, verbs: () => calls.map(({ verb, of }) => `${verb} ${of}`) }
}
const proof = { name: 'redis/20261124T060001Z', keys: 3, expired: 0, sha256: 'abc', takenAt: '' }
const restoring = ({ run }: ReturnType<typeof site>, precondition?: object): FlatRun<RedisSpec> =>
  ({
    ...run,
    step: { id: 'cache.restore@dc-b', site: dcB, parameters: { source: 'dc-a', dump: 'cache.dump@dc-a' } },
    proofOf: () => proof,
    ...(precondition === undefined ? {} : { precondition }),
  }) as unknown as FlatRun<RedisSpec>
const dumping = ({ run }: ReturnType<typeof site>): FlatRun<RedisSpec> =>
  ({
    ...run,
    step: { id: 'cache.dump@dc-b', ...dumpStep(cache, dcB, 'FINAL_SYNC', '') },
  }) as unknown as FlatRun<RedisSpec>
const seen = { resourceVersion: '7', pod: 'pod-1', asked: false, loaded: 'an older dump' }
const SHUT: Answer = siteError('kubernetes-exec-failed', 'the container is starting')

describe('a dump is loaded in the running pod', () => {
  test('on what it had loaded when it was seen; the request is left for a start on another node, and the pod stays', async () => {
    const at = site([])
    await restore.apply?.(restoring(at, seen))
    expect(at.verbs()).toEqual(['patch Secret', 'exec transfer', 'exec redis'])
    const lines = 'an older dump\n20261124T060001Z\nhttps://s3/redis/20261124T060001Z.rdb?signed\nabc\n\n\n'
    expect(at.calls.slice(1).map(({ stdin }) => stdin)).toEqual([lines, lines])
  })

  test.each<[string, Answer[], string[]]>([
    ['its dump cannot be fetched', [{ code: 7, stderr: 'curl: (7)' }], ['exec transfer']],
    ['it does not load', [{}, { code: 1 }], ['exec transfer', 'exec redis']],
    ['a container does not run', [SHUT], ['exec transfer']],
    [
      'the answer was lost',
      [{}, siteError('site-unreachable', 'gone', { retry: 'transient' })],
      ['exec transfer', 'exec redis'],
    ],
  ])('where %s, the pod starts anew, which has more patience', async (_, answers, execs) => {
    const at = site(answers)
    await restore.apply?.(restoring(at, seen))
    expect(at.verbs()).toEqual(['patch Secret', ...execs, 'remove Pod'])
  })

  test('not by a call that came too late: another dump was loaded since', async () => {
    const at = site([{}, { code: 75, stderr: 'another dump was loaded meanwhile' }])
    await expect(restore.apply?.(restoring(at, seen))).rejects.toMatchObject({ code: 'kubernetes-conflict' })
    expect(at.verbs()).not.toContain('remove Pod')
  })

  test('where it was deployed with what that needs; another one is started anew', async () => {
    const facts = 'redis_version:7.4.6\nrestored:an older dump'
    expect(await restore.done(restoring(site([], { facts })))).toMatchObject({ due: { loaded: 'an older dump' } })
    const older = site([], { facts, containers: { containers: [{ name: 'redis' }] } })
    const answer = await restore.done(restoring(older))
    expect(answer).toMatchObject({ due: { loaded: null } })
    await restore.apply?.(restoring(older, (answer as { due: object }).due))
    expect(older.verbs()).toEqual(['patch Secret', 'remove Pod'])
  })

  test('completely: it counts as loaded only when Redis has read it to the end', async () => {
    const facts = 'redis_version:7.4.6\nrestored:20261124T060001Z\nloading:1\ndb0:keys=1,expires=0,avg_ttl=0'
    expect(await restore.done(restoring(site([], { facts })))).toMatchObject({ is: 'pending' })
  })
})

describe('a dump is taken in the running pod', () => {
  test('without a job', async () => {
    const at = site([])
    await dump.apply?.(dumping(at))
    expect(at.verbs()).toEqual(['exec redis', 'exec transfer'])
  })

  test.each<[string, Answer[]]>([
    ['it cannot be stored', [{}, { code: 1, stderr: 'storing' }]],
    ['the pod does not run', [SHUT]],
  ])('where %s, a job takes it', async (_, answers) => {
    const at = site(answers)
    await dump.apply?.(dumping(at))
    expect(at.verbs().at(-1)).toBe('create Job')
  })
})
