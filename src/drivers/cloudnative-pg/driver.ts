import type { Intent, PlannedStep } from '../../domain/plan.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Driver } from '../../driver/driver.ts'
import type { AnyAction, DriverStep } from '../../driver/kit/action.ts'
import { adaptedActions, asPlannedSteps } from '../../driver/kit/adapter.ts'
import { around } from '../../driver/kit/around.ts'
import type { JsonObject } from '../../values/json.ts'
import { accessOf, claimsOf, problemsOf } from './access.ts'
import { assessClusters } from './assess/assess.ts'
import { assessFailover, assessRejoin } from './assess/assess-lost-site.ts'
import { livenessSignalsOf } from './assess/liveness-signals.ts'
import { backupSteps } from './backup/backup.ts'
import { backup } from './backup/base-backup.ts'
import { manifest } from './backup/manifest.ts'
import { restoredCluster } from './backup/restore-copy.ts'
import { testRestore } from './backup/restore-test.ts'
import { deployCluster } from './deploy/deploy.ts'
import { userSpecProblems } from './deploy/judge-user-spec.ts'
import { closeArchive } from './failover/close-archive.ts'
import { answerVaries, drainArchive, lengthVaries } from './failover/drain-archive.ts'
import { failoverSteps } from './failover/failover.ts'
import { fence, fenceSteps } from './failover/fence.ts'
import { followersAhead } from './failover/followers-ahead.ts'
import { markFork } from './failover/forks.ts'
import { predictedLoss } from './failover/loss.ts'
import { lastSeenVaries, promoteWithoutToken } from './failover/promote-without-token.ts'
import { keptData } from './kept-data.ts'
import { afterMoveSteps, clearToken, follow, schedule, settle } from './move/after-move.ts'
import { catchUp, catchUpStep } from './move/catch-up.ts'
import { demote, demoteStep } from './move/demote.ts'
import { fillArchive, fillArchiveStep } from './move/fill-archive.ts'
import { askArchive, leaveArchive, leaveArchiveSteps } from './move/leave-archive.ts'
import { checkpoint, checkpointStep } from './move/prepare.ts'
import { promote, promoteStep } from './move/promote.ts'
import { followerSteps, redirect } from './move/redirect.ts'
import { restart, restartStep } from './move/restart.ts'
import { restartAhead, restartAheadStep } from './move/restart-ahead.ts'
import { secondLook, secondLookStep } from './move/second-look.ts'
import { primaryPod, runSql } from './objects.ts'
import { type CloudNativePgState, observeCluster } from './observe.ts'
import { gapsOf } from './position.ts'
import { keepEvidence } from './rejoin/keep-evidence.ts'
import { clone, publishServerName } from './rejoin/new-incarnation.ts'
import { refreshStreaming } from './rejoin/refresh-streaming.ts'
import { rejoinSteps } from './rejoin/rejoin.ts'
import { removeCluster } from './rejoin/remove-cluster.ts'
import { assessReopen, reopenSteps, unfence } from './reopen.ts'
import { manualStep } from './runbook.ts'
import { type CloudNativePgSpec, cloudNativePgSchema, clusterOf, type Database } from './spec.ts'
import { stepId } from './steps.ts'

/** Those that are written against the kit. */
const actions: readonly AnyAction<CloudNativePgSpec>[] = [
  backup,
  manifest,
  keepEvidence,
  removeCluster,
  publishServerName,
  clone,
  refreshStreaming,
]
const adapted = adaptedActions(actions, around)

/**
 * PostgreSQL on both sites, run by CloudNativePG: it moves by demotion and promotion token, and loses nothing; a lost
 * site is replaced without.
 */
export const cloudNativePg: Driver<CloudNativePgSpec, CloudNativePgState> = {
  kind: 'cloudnative-pg',
  scope: 'site',
  schema: cloudNativePgSchema,
  files: (component) =>
    component.spec.cluster === undefined ? [] : [{ path: component.spec.cluster.file, is: 'mapping' }],
  fileProblems: (component, stack) =>
    component.spec.cluster === undefined ? Promise.resolve([]) : userSpecProblems(component, stack),
  claims: claimsOf,
  validate: problemsOf,
  reaches: () => ['database', 'archive'],
  access: accessOf,
  async observe(component, site, context) {
    if (site === null) return { kind: 'absent', why: 'a database belongs to a site' }
    return observeCluster(component, site, around(context))
  },
  assess(component, states, intent, assessment) {
    if (intent?.mode === 'failover') return assessFailover(component, states, intent, assessment)
    if (intent?.mode === 'rejoin') return assessRejoin(component, states, intent, assessment)
    if (intent?.mode === 'reopen') return assessReopen(component, states, intent, assessment)
    return assessClusters(component, states, intent, assessment)
  },
  gaps: (_component, states, activeSite, now) => gapsOf(states, activeSite, now),
  deploy: async (component, site, deployment, context) =>
    site === null ? [] : deployCluster(component, site, deployment, around(context)),
  move: (component, states, intent) =>
    asPlannedSteps(
      component,
      intent.mode === 'failover' ? failoverSteps(component, states, intent) : switchoverSteps(component, intent),
    ),
  follow: (component, follower, intent) => asPlannedSteps(component, followerSteps(component, follower, intent)),
  ahead: followersAhead,
  fence: (component, states, intent) => asPlannedSteps(component, fenceSteps(component, states, intent)),
  rejoin: (component, states, intent) => asPlannedSteps(component, rejoinSteps(component, states, intent)),
  reopen: (component, states, intent) => asPlannedSteps(component, reopenSteps(component, states, intent)),
  sees: livenessSignalsOf,
  loss: predictedLoss,
  keeps: keptData,
  backup: (component, _states, site) => asPlannedSteps(component, backupSteps(component, site)),
  manual: (component, step, surroundings) =>
    adapted.manual?.(component, step, surroundings) ?? manualStep(component, step, surroundings),
  varyingTitles: adapted.varyingTitles ?? {},
  varying: {
    ...adapted.varying,
    'drain-archive': { answered: answerVaries, segmentBytes: lengthVaries },
    'promote-without-token': { lastSeenAt: lastSeenVaries },
  },
  behaviours: {
    ...adapted.behaviours,
    checkpoint,
    'leave-archive': leaveArchive,
    'ask-archive': askArchive,
    'restart-ahead': restartAhead,
    'second-look': secondLook,
    'fill-archive': fillArchive,
    demote,
    'catch-up': catchUp,
    promote,
    settle,
    follow,
    redirect,
    'clear-token': clearToken,
    schedule,
    fence,
    unfence,
    'close-archive': closeArchive,
    'drain-archive': drainArchive,
    'promote-without-token': promoteWithoutToken,
    restart,
    'mark-fork': markFork,
  },
  async restoreTest(component, source, sandbox, context) {
    const { endpoint, ...report } = await testRestore(component, source, sandbox, around(context))
    return endpoint === undefined ? report : { ...report, endpoint: endpoint as unknown as JsonObject }
  },
  async sql(component, at, query, context) {
    const sandboxed = isSandbox(at)
    const kubernetes = context.kubernetes(sandboxed ? at.site : at)
    const [namespace, cluster] = sandboxed
      ? [at.namespace, restoredCluster(component)]
      : [component.spec.namespace, clusterOf(component, at)]
    const pod = await primaryPod(kubernetes, namespace, cluster, context.signal)
    return runSql(
      kubernetes,
      pod,
      component.spec.database,
      `SET default_transaction_read_only = on;\n${query};`,
      context.signal,
    )
  },
}

/** The old primary hands over, and follows. */
const switchoverSteps = (component: Database, intent: Intent): (PlannedStep | DriverStep)[] => [
  checkpointStep(component, intent),
  ...leaveArchiveSteps(component, intent),
  restartAheadStep(component, intent),
  secondLookStep(component, intent),
  demoteStep(component, intent),
  catchUpStep(component, intent),
  promoteStep(component, intent),
  restartStep(component, intent.to, stepId(component, 'promote', intent.to)),
  fillArchiveStep(component, intent.to),
  ...afterMoveSteps(component, intent),
  ...backupSteps(component, intent.to),
]

const isSandbox = (at: SiteName | Sandbox): at is Sandbox => typeof at !== 'string'
