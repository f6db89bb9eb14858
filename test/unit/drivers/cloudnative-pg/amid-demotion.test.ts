import { expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import * as move from '../../../../src/drivers/cloudnative-pg/move/demote.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { seconds } from '../../../../src/values/duration.ts'
import { undoAsSeen } from '../../../support/act-as-seen.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cluster, controlFile } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { behaviourOf, planned } from './of-kit.ts'

const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const demote = behaviourOf(move.demote)
const BEGUN = Date.parse('2026-11-26T03:00:00Z')
const GONE = {
  mightBeUnavailable: true,
  mightBeUnavailableMaskedError: 'dial unix /run/.s.PGSQL.5432: connect: no such file or directory',
}
const LINK = '/var/lib/postgresql/data/pgdata/pg_wal/00000002000000000000001C.partial'

interface Around {
  /** In the control file. */
  readonly state: string
  readonly says?: object
  readonly after?: number
  /** When the second name of the last segment was made, and the instance manager that runs now. */
  readonly linkAt?: string
  readonly managerSince?: string
}

/**
 * A demotion in progress, of which a process has known for some time, and a folder of WAL that keeps what is not
 * deleted.
 */
function around({ state, says = GONE, after = seconds(10), linkAt, managerSince = '2026-11-26T02:59:00Z' }: Around) {
  const amid = cluster(
    'pg-dc-a',
    { replica: { self: 'pg-dc-a', primary: 'pg-dc-b', source: 'pg-dc-b' } },
    { switchReplicaClusterStatus: { inProgress: true } },
  )
  const pod = { status: { containerStatuses: [{ name: 'postgres', state: { running: { startedAt: managerSince } } }] } }
  let link = linkAt
  const patches: object[] = []
  const find = (script: string, since: string): string => {
    if (link === undefined || link > since) return ''
    if (script.endsWith('-delete')) link = undefined
    return `${LINK}\n`
  }
  const kubernetes = {
    get: async ({ kind }: { readonly kind: string }) => (kind === 'Pod' ? pod : amid) as unknown as KubernetesObject,
    proxyGet: async () => ({ status: 200, body: JSON.stringify(says) }),
    exec: async (_: unknown, [program = '', , script = '', since = '']: readonly string[]) => ({
      code: 0,
      stdout: program === 'pg_controldata' ? controlFile(state) : find(script, since),
      stderr: '',
    }),
    patch: async (_: unknown, patch: object) => patches.push(patch),
  }
  const run = {
    step: planned(database, move.demoteStep(database, intent)),
    component: database,
    intent,
    context: {
      stack: databaseStack(database),
      kubernetes: () => kubernetes,
      clock: { now: () => new Date(BEGUN + after) },
      log: { info: () => undefined, debug: () => undefined },
    },
    signal: AbortSignal.timeout(1_000),
    begunAt: new Date(BEGUN).toISOString(),
  } as unknown as FlatRun<CloudNativePgSpec>
  return { run, patches, linkIsThere: () => link !== undefined }
}

test('a demotion whose site was killed before PostgreSQL was shut down fails on both ways, and says that only a failover ends it', async () => {
  const { run, patches } = around({ state: 'in production' })
  const failed = {
    is: 'failed',
    code: 'demotion-cannot-end',
    next: expect.stringContaining('--mode failover --to dc-b'),
  }
  expect(await demote.done(run)).toMatchObject(failed)
  expect(await demote.undone?.(run)).toMatchObject(failed)
  expect(patches).toEqual([])
})

test.each<[string, Around]>([
  ['its operator has not come to it', { state: 'shut down' }],
  ['it was a replica already', { state: 'shut down in recovery' }],
  ['its server is on its way down', { state: 'in production', says: { isPrimary: true, mightBeUnavailable: true } }],
  ['it has hardly begun', { state: 'in production', after: seconds(9) }],
])('a demotion is waited for where it may end yet: %s', async (_, circumstances) => {
  const { run, patches } = around(circumstances)
  expect(await demote.done(run)).toMatchObject({ is: 'pending' })
  expect(await demote.undone?.(run)).toMatchObject({ is: 'pending' })
  expect(patches).toEqual([])
})

const LEFT = { state: 'shut down', linkAt: '2026-11-26T02:58:00Z' }

test('the link of an instance manager that died while it shipped the last segment is removed, and the operator looks again', async () => {
  const { run, patches, linkIsThere } = around(LEFT)
  await demote.nudge?.send(run)
  expect(linkIsThere()).toBe(false)
  expect(patches).toHaveLength(1)
})
test('the link is removed as well when the demotion is taken back', async () => {
  const { run, linkIsThere } = around(LEFT)
  expect(await undoAsSeen(demote, run)).toMatchObject({ is: 'pending', waitingFor: `${LINK} to be removed` })
  expect(linkIsThere()).toBe(false)
})
test.each<[string, Around]>([
  ['the instance manager of now has made it', { ...LEFT, managerSince: '2026-11-26T02:57:00Z' }],
  ['PostgreSQL runs', { ...LEFT, says: { isPrimary: true } }],
  ['the demotion has hardly begun', { ...LEFT, after: seconds(9) }],
])('the link stays where a process may still use it: %s', async (_, circumstances) => {
  const { run, linkIsThere } = around(circumstances)
  await demote.nudge?.send(run)
  await undoAsSeen(demote, run)
  expect(linkIsThere()).toBe(true)
})
