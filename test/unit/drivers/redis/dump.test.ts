import { expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { dumpStep } from '../../../../src/drivers/redis/backup.ts'
import type { RedisSpec } from '../../../../src/drivers/redis/spec.ts'
import { behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { redis } from '../../../support/flat/drivers.ts'
import { theCache } from '../../../support/redis-cache.ts'

const dcA = 'dc-a' as SiteName
const dump = behaviourOf(redis, 'dump')
const cache = theCache({
  backup: { store: 'archive', prefix: 'redis', images: { dump: 'redis:7.4.6', upload: 'curl:8' } },
})
const DESCRIPTION = {
  schemaVersion: 1,
  takenAt: '2026-11-21T06:00:01Z',
  keys: 3,
  expired: 0,
  bytes: 172,
  sha256: 'a'.repeat(64),
}
const FAILED = { failed: 3, conditions: [{ type: 'Failed', status: 'True' }] }

interface Around {
  /** null: no job was made. */
  readonly job: object | null
  /** How the container that uploads ended, if it did. */
  readonly terminated?: { readonly exitCode: number; readonly message?: string }
  readonly stored?: boolean
  /** What the pod of the server says of the dump of this run; `Error`: it cannot say anything. */
  readonly inPlace?: string | Error
}

/** A dump step on a site whose job, pod and object store are as given. */
function around({ job, terminated, stored = true, inPlace = '' }: Around): FlatRun<RedisSpec> {
  const pod = {
    metadata: { name: 'redis-backup-1' },
    status: { containerStatuses: [{ state: terminated === undefined ? {} : { terminated } }] },
  }
  const kubernetes = {
    get: async () => (job === null ? null : { metadata: { name: 'redis-backup' }, status: job }),
    list: async () => [pod] as unknown as KubernetesObject[],
    logs: async () => 'no space left',
    exec: async () => {
      if (typeof inPlace !== 'string') throw inPlace
      return { code: 0, stdout: inPlace, stderr: '' }
    },
  }
  const store = {
    get: async () => (stored ? { body: JSON.stringify(DESCRIPTION) } : null),
    head: async () => ({ bytes: 172 }),
  }
  return {
    step: { id: 'cache.dump@dc-a', ...dumpStep(cache, dcA, 'FINAL_SYNC', '') },
    component: cache,
    context: { kubernetes: () => kubernetes, objectStore: () => ({ open: async () => store }) },
    begunAt: '2026-11-21T06:00:00Z',
    signal: AbortSignal.timeout(1_000),
  } as unknown as FlatRun<RedisSpec>
}
const ended = { exitCode: 0, message: '20261121T060001Z' }

test('a dump is there when its pod says so: its job says it a second later, and users wait', async () => {
  expect(await dump.done(around({ job: { active: 1 }, terminated: ended }))).toMatchObject({
    is: 'done',
    proof: { keys: 3, storedBytes: 172 },
  })
})

test('a dump that the pod of the server took is there without a job', async () => {
  expect(await dump.done(around({ job: null, inPlace: '20261121T060001Z\n' }))).toMatchObject({
    is: 'done',
    proof: { keys: 3 },
  })
})

test.each<[string, Around]>([
  ['no job was made, and the pod of the server took none', { job: null }],
  [
    'no job was made, and the pod of the server is from before it could',
    { job: null, inPlace: new Error('container not found') },
  ],
  ['its pod is at work', { job: { active: 1 } }],
  ['one try failed, and the job tries again', { job: { active: 1, failed: 1 }, terminated: { exitCode: 1 } }],
])('a dump is waited for as long as %s', async (_, state) => {
  expect(await dump.done(around(state))).toMatchObject({ is: 'pending' })
})

test.each<[string, string, Around]>([
  ['dump-failed', 'the job gave up', { job: FAILED, terminated: { exitCode: 1 } }],
  ['dump-missing', 'the job ended well and its dump is unknown', { job: { succeeded: 1 } }],
  [
    'dump-missing',
    'what the pod of the server names is not in the object store',
    { job: null, inPlace: '20261121T060001Z', stored: false },
  ],
  [
    'dump-missing',
    'what the pod names is not in the object store',
    { job: { succeeded: 1 }, terminated: ended, stored: false },
  ],
])('%s: %s', async (code, _, state) => {
  expect(await dump.done(around(state))).toMatchObject({ is: 'failed', code })
})
