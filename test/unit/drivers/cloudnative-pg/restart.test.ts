import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import * as move from '../../../../src/drivers/cloudnative-pg/move/restart.ts'
import { type InstanceStatus, RESTARTING_IN_PLACE } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { TOUCHED } from '../../../../src/platform/kubernetes/compare-and-set.ts'
import { applyAsSeen } from '../../../support/act-as-seen.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cluster, primary } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { behaviourOf, planned } from './of-kit.ts'

const database = theDatabase()
const restart = behaviourOf(move.restart)
const NO_CONNECTION = 2

interface Promoted {
  /** What PostgreSQL answers; null: nothing, it is just restarting. */
  readonly archiveMode: string | null
  /** Whether the setting of a restart ahead is written down. */
  readonly ahead?: boolean
  readonly ready?: boolean
  readonly says?: Partial<InstanceStatus>
  readonly phase?: string
  /** The identity may not write the status of a Cluster. */
  readonly forbidden?: boolean
}

/** A cluster that was promoted, and what is sent to it. */
function promoted(state: Promoted) {
  const { ready = true, says = {} } = state
  const found = cluster('pg-dc-b', {}, state.phase === undefined ? {} : { phase: state.phase })
  const live = { ...found, metadata: { ...found.metadata, resourceVersion: '1' } }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'pg-dc-b-1' },
    status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }
  const sent: string[] = []
  const warnings: string[] = []
  const kubernetes: Partial<KubernetesClient> = {
    site: 'dc-b',
    get: async ({ kind }) => (kind === 'Pod' ? pod : live) as unknown as KubernetesObject,
    proxyGet: async () => ({ status: 200, body: JSON.stringify({ ...primary, ...says }) }),
    async exec(_pod, _argv, options) {
      const { archiveMode } = state
      if (archiveMode === null) return { code: NO_CONNECTION, stdout: '', stderr: 'no connection' }
      const sql = String(options?.stdin)
      if (sql.startsWith('SELECT pg_is_in_recovery'))
        return { code: 0, stdout: `f\u001f${archiveMode}\u001f${state.ahead === true ? 't' : 'f'}\n`, stderr: '' }
      sent.push(sql.includes('TO PROGRAM') ? 'ship' : 'reload')
      return { code: 0, stdout: 't\n', stderr: '' }
    },
    async patch(_ref, patch, options) {
      if (options?.subresource === 'status') {
        if (state.forbidden === true) throw siteError('kubernetes-forbidden', 'a right is lacking')
        sent.push(
          `phase ${(patch as { readonly status: { readonly phase: string } }).status.phase} over ${options.resourceVersion}`,
        )
        return live
      }
      const { annotations } = (patch as { readonly metadata: { readonly annotations: object } }).metadata
      sent.push(`touch ${Object.keys(annotations)}`)
      return live
    },
  }
  const run = {
    step: planned(database, move.restartStep(database, 'dc-b' as SiteName, { id: 'database.promote@dc-b' })),
    component: database,
    context: {
      stack: databaseStack(database),
      kubernetes: () => kubernetes,
      log: { warning: (line: string) => warnings.push(line) },
    },
    signal: AbortSignal.timeout(1_000),
  } as unknown as FlatRun<CloudNativePgSpec>
  return { run, sent, warnings }
}

test('clients may come when PostgreSQL restarted as a primary that archives, and its pod is ready', async () => {
  expect(await restart.done(promoted({ archiveMode: 'on' }).run)).toMatchObject({
    is: 'done',
    proof: { writable: true },
  })
})

test.each<[string, Promoted]>([
  ['it still archives as a replica', { archiveMode: 'always' }],
  ['it has to restart', { archiveMode: 'on', says: { pendingRestart: true } }],
  ['its pod is not ready', { archiveMode: 'on', ready: false }],
  ['it is just restarting', { archiveMode: null }],
  ['it has not left recovery', { archiveMode: 'on', says: { isPrimary: false } }],
])('clients wait as long as %s', async (_, state) => {
  const due = state.says?.pendingRestart === true ? { due: { resourceVersion: '1' } } : {}
  const waiting = { is: 'pending', waitingFor: 'pg-dc-b to restart with archive_mode on' }
  expect(await restart.done(promoted(state).run)).toEqual({ ...waiting, ...due })
})

describe('the restart is asked for', () => {
  const due: Promoted = { archiveMode: 'always', says: { pendingRestart: true } }
  test('as the command line of the operator does, and only of what was seen', async () => {
    const { run, sent } = promoted(due)
    await applyAsSeen(restart, run)
    expect(sent).toEqual([`phase ${RESTARTING_IN_PLACE} over 1`])
  })
  test.each<[string, Promoted]>([
    ['PostgreSQL does not know yet that it has to', { archiveMode: 'always' }],
    ['it has restarted', { archiveMode: 'on' }],
    ['it is at it', { ...due, phase: RESTARTING_IN_PLACE }],
    ['it has not left recovery', { archiveMode: 'always', says: { pendingRestart: true, isPrimary: false } }],
  ])('not when %s', async (_, state) => {
    expect(await restart.done(promoted(state).run)).not.toHaveProperty('due')
  })
  test('after a restart ahead that was being taken back when its site was lost: that is shipped and forgotten first', async () => {
    const { run, sent } = promoted({ archiveMode: 'always', ahead: true })
    await applyAsSeen(restart, run)
    expect(sent).toEqual(['ship'])
  })
  test('in vain by an identity that may not: then the operator comes to it, and the log names the right', async () => {
    const { run, sent, warnings } = promoted({ ...due, forbidden: true })
    await applyAsSeen(restart, run)
    await applyAsSeen(restart, run)
    expect(sent).toEqual([])
    expect(warnings).toEqual([expect.stringContaining('waits for the operator')])
  })
})

test('an operator that forgot the restart is nudged: PostgreSQL reads its settings, and the operator looks again', async () => {
  const { run, sent } = promoted({ archiveMode: 'always' })
  await restart.nudge?.send(run)
  expect(sent).toEqual(['reload', `touch ${TOUCHED}`])
})

test('an operator that restarts it by itself has time for that, and gets no nudge: one amid a restart costs a second', () => {
  expect(restart.nudge?.every).toBeGreaterThan(5_000)
})

test('a PostgreSQL that does not answer is restarting already, and needs no reload', async () => {
  const { run, sent } = promoted({ archiveMode: null })
  await restart.nudge?.send(run)
  expect(sent).toEqual([`touch ${TOUCHED}`])
})
