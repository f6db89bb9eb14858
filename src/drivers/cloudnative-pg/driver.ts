import type { Driver } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import type { Sandbox } from '../../verification/restore-test.ts'
import { accessOf, claimsOf, problemsOf } from './access.ts'
import { afterMoveSteps, clearToken, follow, schedule, settle } from './after-move.ts'
import { assessClusters } from './assess.ts'
import { assessFailover, assessRejoin } from './assess-lost-site.ts'
import { backup, backupSteps, manifest } from './backup.ts'
import { catchUp, catchUpStep } from './catch-up.ts'
import { clone, refreshStreaming, tellServerName } from './clone.ts'
import { closeArchive } from './close-archive.ts'
import { demote, demoteStep } from './demote.ts'
import { deployCluster } from './deploy.ts'
import { drainArchive } from './drain-archive.ts'
import { failoverSteps } from './failover.ts'
import { fence, fenceSteps } from './fence.ts'
import { fillArchive, fillArchiveStep } from './fill-archive.ts'
import { markFork } from './forks.ts'
import { keepEvidence } from './keep-evidence.ts'
import { leaveArchive, leaveArchiveSteps } from './leave-archive.ts'
import { predictedLoss } from './loss.ts'
import { primaryPod, runSql } from './objects.ts'
import { type CloudNativePgState, gapsOf, observeCluster } from './observe.ts'
import { checkpoint, checkpointStep } from './prepare.ts'
import { promote, promoteStep } from './promote.ts'
import { promoteWithoutToken } from './promote-without-token.ts'
import { rejoinSteps } from './rejoin.ts'
import { removeCluster } from './remove-cluster.ts'
import { restart, restartStep } from './restart.ts'
import { restartAhead, restartAheadStep } from './restart-ahead.ts'
import { restoredCluster } from './restore-copy.ts'
import { testRestore } from './restore-test.ts'
import { manualStep } from './runbook.ts'
import { seesSite } from './sees.ts'
import { type CloudNativePgSpec, cloudNativePgSchema, clusterOf, type Database } from './spec.ts'
import { stepId } from './steps.ts'

/** PostgreSQL on both sites, run by CloudNativePG: it moves by demotion and promotion token, and loses nothing; a lost site is replaced without. */
export const cloudNativePg: Driver<CloudNativePgSpec, CloudNativePgState> = {
  kind: 'cloudnative-pg',
  scope: 'site',
  schema: cloudNativePgSchema,
  files: (component) => (component.spec.cluster === undefined ? [] : [component.spec.cluster.file]),
  claims: claimsOf,
  validate: problemsOf,
  access: accessOf,
  observe: observeCluster,
  assess(component, states, intent, assessment) {
    if (intent?.mode === 'failover') return assessFailover(component, states, intent, assessment)
    if (intent?.mode === 'rejoin') return assessRejoin(component, states, intent, assessment)
    return assessClusters(component, states, intent, assessment)
  },
  gaps: (_component, states, activeSite, now) => gapsOf(states, activeSite, now),
  deploy: deployCluster,
  move: (component, states, intent) =>
    intent.mode === 'failover' ? failoverSteps(component, states, intent) : switchoverSteps(component, intent),
  fence: fenceSteps,
  rejoin: rejoinSteps,
  sees: seesSite,
  loss: predictedLoss,
  backup: (component, _states, site) => backupSteps(component, site),
  manual: manualStep,
  behaviours: {
    checkpoint,
    'leave-archive': leaveArchive,
    'restart-ahead': restartAhead,
    'fill-archive': fillArchive,
    demote,
    'catch-up': catchUp,
    promote,
    settle,
    follow,
    'clear-token': clearToken,
    schedule,
    backup,
    manifest,
    fence,
    'close-archive': closeArchive,
    'drain-archive': drainArchive,
    'promote-without-token': promoteWithoutToken,
    restart,
    'mark-fork': markFork,
    'keep-evidence': keepEvidence,
    'remove-cluster': removeCluster,
    'tell-server-name': tellServerName,
    clone,
    'refresh-streaming': refreshStreaming,
  },
  restoreTest: testRestore,
  async sql(component, at, query, context) {
    const sandboxed = isSandbox(at)
    const kubernetes = context.kubernetes(sandboxed ? at.site : at)
    const [namespace, cluster] = sandboxed
      ? [at.namespace, restoredCluster(component)]
      : [component.spec.namespace, clusterOf(component, at)]
    const pod = await primaryPod(kubernetes, namespace, cluster, context.signal)
    return runSql(kubernetes, pod, component.spec.database, `SET default_transaction_read_only = on;\n${query};`, context.signal)
  },
}

/** The old primary hands over, and follows. */
const switchoverSteps = (component: Database, intent: Intent): PlannedStep[] => [
  checkpointStep(component, intent),
  ...leaveArchiveSteps(component, intent),
  restartAheadStep(component, intent),
  demoteStep(component, intent),
  catchUpStep(component, intent),
  promoteStep(component, intent),
  restartStep(component, intent.to, stepId(component, 'promote', intent.to)),
  fillArchiveStep(component, intent.to),
  ...afterMoveSteps(component, intent),
  ...backupSteps(component, intent.to),
]

const isSandbox = (at: SiteName | Sandbox): at is Sandbox => typeof at !== 'string'
