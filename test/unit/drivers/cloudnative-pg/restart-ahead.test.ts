import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { type InstanceStatus, PLUGIN, RESTARTING_IN_PLACE } from '../../../../src/drivers/cloudnative-pg/objects.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { applyAsSeen, undoAsSeen } from '../../../support/act-as-seen.ts'
import type { Behaviour, FlatRun } from '../../../support/flat/behaviour.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { cluster, primary, replica } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const switchover: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const NO_CONNECTION = 2
const WRONG_SQL = 3

interface Replica {
  /** With what PostgreSQL runs; null: it does not answer. */
  readonly mode: 'always' | 'on' | null
  /** Whether the setting of a restart ahead is written down. */
  readonly ahead?: boolean
  readonly says?: Partial<InstanceStatus>
  readonly phase?: string
  readonly ready?: boolean
  /** What the Cluster has otherwise. */
  readonly spec?: object
  /** The identity may not write the status of a Cluster. */
  readonly forbidden?: boolean
  /** PostgreSQL does not take the setting. */
  readonly settingRefused?: boolean
  /** Its pod goes away just before the effect. */
  readonly goes?: boolean
}

/** The cluster of dc-b, and what one step of a switchover to it sends. */
function around(action: string, of: Replica) {
  const database = theDatabase()
  const stack = databaseStack(database)
  const step = cloudNativePg.move?.(database, {}, switchover, stack).find((one) => one.action === action)
  if (step === undefined) throw new Error(`no ${action}`)
  const found = cluster(
    'pg-dc-b',
    { postgresql: { enableAlterSystem: true }, ...of.spec },
    of.phase === undefined ? {} : { phase: of.phase },
  )
  const live = { ...found, metadata: { ...found.metadata, resourceVersion: '7' } }
  const pod = { status: { conditions: [{ type: 'Ready', status: of.ready === false ? 'False' : 'True' }] } }
  const sent: string[] = []
  const warnings: string[] = []
  const kubernetes: Partial<KubernetesClient> = {
    site: 'dc-b',
    get: async ({ kind }) => (kind === 'Pod' ? pod : live) as unknown as KubernetesObject,
    proxyGet: async () => ({ status: 200, body: JSON.stringify({ ...replica, ...of.says }) }),
    async exec(_pod, _argv, options) {
      const sql = String(options?.stdin)
      if (of.mode === null) return { code: NO_CONNECTION, stdout: '', stderr: 'no connection' }
      if (sql.startsWith('SELECT pg_is_in_recovery(), current_setting')) {
        const [inRecovery, ahead] = [of.says?.isPrimary !== true, of.ahead === true].map((is) => (is ? 't' : 'f'))
        return { code: 0, stdout: `${[inRecovery, of.mode, ahead].join('\u001f')}\n`, stderr: '' }
      }
      if (of.goes === true && sql.includes('SYSTEM SET'))
        throw siteError('kubernetes-not-found', 'pods "pg-dc-b-1" not found')
      if (of.settingRefused === true && sql.includes('SYSTEM SET'))
        return { code: WRONG_SQL, stdout: '', stderr: 'permission denied' }
      sent.push(sql)
      return { code: 0, stdout: sql.includes('TO PROGRAM') ? '000000030000000000000008\n' : '', stderr: '' }
    },
    async patch(_ref, patch, options) {
      if (of.forbidden === true) throw siteError('kubernetes-forbidden', 'a right is lacking')
      sent.push(
        `phase ${(patch as { readonly status: { readonly phase: string } }).status.phase} over ${options?.resourceVersion}`,
      )
      return live
    },
  }
  const run = {
    step,
    component: database,
    intent: switchover,
    context: { stack, kubernetes: () => kubernetes, log: { warning: (line: string) => warnings.push(line) } },
    signal: AbortSignal.timeout(1_000),
    proofOf: () => null,
  } as unknown as FlatRun<CloudNativePgSpec>
  const behaviour = cloudNativePg.behaviours[action] as Behaviour<CloudNativePgSpec>
  return {
    step,
    sent,
    warnings,
    look: () => applyAsSeen(behaviour, run),
    readEarlierMove: () => undoAsSeen(behaviour, run),
    act: () => behaviour.apply?.(run),
  }
}
const SET = "ALTER SYSTEM SET archive_mode = 'on';"
const RESET = 'ALTER SYSTEM RESET archive_mode;'
const SET_BACK = "ALTER SYSTEM SET archive_mode = 'always';"
const REQUEST = `phase ${RESTARTING_IN_PLACE} over 7`

describe('a replica that is to be promoted', () => {
  test('restarts with the archive_mode of a primary under the lock, before users are shut out, and with no archive to ask', async () => {
    const { step, sent, look } = around('restart-ahead', { mode: 'always' })
    expect(step).toMatchObject({ phase: 'PREPARE', needs: ['database.leave-archive@dc-b'], irreversible: false })
    await look()
    expect(sent).toEqual([SET, REQUEST])
  })
  test.each<[string, Replica]>([
    ['does not answer', { mode: null }],
    ['is not healthy', { mode: 'on', ahead: true, phase: RESTARTING_IN_PLACE }],
    ['is not ready', { mode: 'on', ahead: true, ready: false }],
    [
      'follows by nothing',
      {
        mode: 'on',
        ahead: true,
        says: { isWalReceiverActive: false },
        spec: {
          externalClusters: [
            { name: 'pg-dc-a', plugin: { name: PLUGIN, parameters: { barmanObjectName: 'database-no-archive' } } },
          ],
        },
      },
    ],
  ])('is waited for where it %s', async (_, state) => {
    const { look, sent } = around('restart-ahead', state)
    expect(await look()).toMatchObject({ is: 'pending' })
    expect(sent).toEqual([])
  })
  test('is waited for where its pod goes away just before its restart, which stays ahead of the promotion', async () => {
    const { look, sent, warnings } = around('restart-ahead', { mode: 'always', goes: true })
    for (const _ of ['at first', 'and again'])
      await expect(look()).rejects.toMatchObject({ code: 'kubernetes-not-found', retry: 'transient' })
    expect(sent).toEqual([])
    expect(warnings).toEqual([])
  })
  test('is not restarted a second time while it is at it', async () => {
    const { look, sent } = around('restart-ahead', { mode: 'always', ahead: true, phase: RESTARTING_IN_PLACE })
    expect(await look()).toMatchObject({ is: 'pending' })
    expect(sent).toEqual([])
  })
  test('is ready when it runs as a primary would, and follows', async () => {
    expect(await around('restart-ahead', { mode: 'on', ahead: true }).look()).toEqual({
      is: 'done',
      proof: { ahead: true },
    })
  })
  test.each<[string, Replica, string[]]>([
    ['its Cluster does not allow it', { mode: 'always', spec: { postgresql: {} } }, []],
    ['this identity may not ask for it', { mode: 'always', forbidden: true }, [SET, RESET]],
    ['PostgreSQL does not take the setting', { mode: 'always', settingRefused: true }, [RESET]],
  ])('restarts after its promotion where %s, and the log says why', async (_, state, asked) => {
    const { look, sent, warnings } = around('restart-ahead', state)
    await look()
    expect(await look()).toEqual({ is: 'done', proof: { ahead: false } })
    expect(sent).toEqual(asked)
    expect(warnings).toEqual([expect.stringContaining('users wait for a restart after the promotion')])
  })
})

describe('a move that is taken back', () => {
  test('has the replica ship what it received, and restarts it as the replica that it was', async () => {
    const { readEarlierMove, sent } = around('restart-ahead', { mode: 'on', ahead: true })
    expect(await readEarlierMove()).toMatchObject({ is: 'pending' })
    expect(sent).toEqual([SET_BACK, expect.stringContaining('TO PROGRAM'), REQUEST])
    expect(sent[1]).not.toContain(RESET)
  })
  test('goes on receiving until it has restarted: the setting is forgotten when that is shipped, too', async () => {
    const { readEarlierMove, sent } = around('restart-ahead', { mode: 'always', ahead: true })
    expect(await readEarlierMove()).toMatchObject({ is: 'pending' })
    expect(sent).toEqual([expect.stringContaining('TO PROGRAM')])
    expect(sent[0]?.trim().endsWith(RESET)).toBe(true)
  })
  test('asked for the restart once more, ships only what came since', async () => {
    const { readEarlierMove, sent } = around('restart-ahead', { mode: 'on', ahead: true })
    await readEarlierMove()
    await readEarlierMove()
    expect(sent[1]).toContain("ALL ('{}')")
    expect(sent[4]).toContain("ALL ('{000000030000000000000008}')")
  })
  test.each<[string, Replica]>([
    ['it restarts', { mode: null }],
    ['it is at it', { mode: 'on', phase: RESTARTING_IN_PLACE }],
    ['it is not ready', { mode: 'always', ready: false }],
    [
      'its operator has not seen it healthy, for which the next plan would be refused',
      { mode: 'always', phase: RESTARTING_IN_PLACE },
    ],
  ])('waits while %s', async (_, state) => {
    const { readEarlierMove, sent } = around('restart-ahead', state)
    expect(await readEarlierMove()).toMatchObject({ is: 'pending' })
    expect(sent).toEqual([])
  })
  test('leaves alone what never restarted ahead', async () => {
    expect(await around('restart-ahead', { mode: 'always' }).readEarlierMove()).toMatchObject({ is: 'done' })
  })
})

describe('once users are served again', () => {
  test('what the replica received meanwhile is shipped: all of the timelines before its own', async () => {
    const { step, act, sent } = around('fill-archive', { mode: 'on', ahead: true, says: primary })
    expect(step.phase).toBe('PROTECT')
    await act()
    expect(sent).toEqual([expect.stringContaining('TO PROGRAM')])
    expect(sent[0]).toContain('name < left(pg_walfile_name(pg_current_wal_lsn()), 8)')
    expect(sent[0]?.trim().endsWith(RESET)).toBe(true)
  })
  test('the setting goes last, so that a run that died in between does it again', async () => {
    expect(await around('fill-archive', { mode: 'on', ahead: true, says: primary }).look()).toMatchObject({
      is: 'pending',
    })
    expect(await around('fill-archive', { mode: 'on', says: primary }).look()).toEqual({
      is: 'done',
      proof: { shipped: [] },
    })
  })
})
