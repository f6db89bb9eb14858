import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { AnyAction } from '../../driver/action.ts'
import type { SiteDriver } from '../../driver/capabilities.ts'
import type { DriverContext, SqlRows } from '../../driver/context.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { accessOf, claimsOf, problemsOf } from './access.ts'
import { assessStatus, assessSwitchover } from './assess/assess.ts'
import { assessFailover, assessRejoin } from './assess/assess-lost-site.ts'
import { livenessSignalsOf } from './assess/liveness-signals.ts'
import { backupSteps } from './backup/backup.ts'
import { backup } from './backup/base-backup.ts'
import { manifest } from './backup/manifest.ts'
import { restoredCluster } from './backup/restore-copy.ts'
import { testRestore } from './backup/restore-test.ts'
import { codes } from './codes.ts'
import { deployCluster } from './deploy/deploy.ts'
import { userSpecProblems } from './deploy/judge-user-spec.ts'
import { closeArchive } from './failover/close-archive.ts'
import { drainArchive } from './failover/drain-archive.ts'
import { failoverSteps } from './failover/failover.ts'
import { fence, fenceSteps } from './failover/fence.ts'
import { followersAhead } from './failover/followers-ahead.ts'
import { predictedLoss } from './failover/loss.ts'
import { markFork } from './failover/mark-fork.ts'
import { promoteWithoutToken } from './failover/promote-without-token.ts'
import { keptData } from './kept-data.ts'
import { archiveCheckpoint } from './move/archive-checkpoint.ts'
import { catchUp } from './move/catch-up.ts'
import { checkpoint } from './move/checkpoint.ts'
import { clearToken } from './move/clear-token.ts'
import { demote } from './move/demote.ts'
import { fillArchive } from './move/fill-archive.ts'
import { follow } from './move/follow.ts'
import { askArchive, leaveArchive } from './move/leave-archive.ts'
import { promote } from './move/promote.ts'
import { followerSteps, redirect } from './move/redirect.ts'
import { restart } from './move/restart.ts'
import { restartAhead } from './move/restart-ahead.ts'
import { schedule } from './move/schedule.ts'
import { secondLook } from './move/second-look.ts'
import { switchoverSteps } from './move/switchover.ts'
import { primaryPod, runSql } from './objects.ts'
import { type CloudNativePgState, observeCluster } from './observe.ts'
import { gapsOf } from './position.ts'
import { keepEvidence } from './rejoin/keep-evidence.ts'
import { clone, publishServerName } from './rejoin/new-incarnation.ts'
import { refreshStreaming } from './rejoin/refresh-streaming.ts'
import { rejoinSteps } from './rejoin/rejoin.ts'
import { removeCluster } from './rejoin/remove-cluster.ts'
import { assessReopen, reopenSteps, unfence } from './reopen.ts'
import { type CloudNativePgSpec, cloudNativePgSchema, clusterOf, type Database } from './spec.ts'

const actions: readonly AnyAction<CloudNativePgSpec>[] = [
  checkpoint,
  leaveArchive,
  askArchive,
  restartAhead,
  secondLook,
  demote,
  catchUp,
  promote,
  restart,
  fillArchive,
  archiveCheckpoint,
  follow,
  redirect,
  clearToken,
  schedule,
  fence,
  unfence,
  closeArchive,
  drainArchive,
  promoteWithoutToken,
  markFork,
  backup,
  manifest,
  keepEvidence,
  removeCluster,
  publishServerName,
  clone,
  refreshStreaming,
]

/**
 * PostgreSQL on all sites, run by CloudNativePG. It moves by demotion and promotion token, and loses nothing; a lost
 * site is replaced without a token.
 */
export const cloudNativePg: SiteDriver<CloudNativePgSpec, CloudNativePgState> = {
  kind: 'cloudnative-pg',
  scope: 'site',
  standsOn: KUBERNETES.platform,
  schema: cloudNativePgSchema,
  codes,
  files: ({ spec }) => (spec.cluster === undefined ? [] : [{ path: spec.cluster.file, is: 'mapping' }]),
  fileProblems: async (component, stack) =>
    component.spec.cluster === undefined ? [] : userSpecProblems(component, stack),
  claims: claimsOf,
  validate: problemsOf,
  access: accessOf,
  observe: observeCluster,
  assess: {
    status: assessStatus,
    moves: { switchover: assessSwitchover, failover: assessFailover, rejoin: assessRejoin, reopen: assessReopen },
    gaps: (_component, states, activeSite, now) => gapsOf(states, activeSite, now),
  },
  deploys: { deploy: deployCluster },
  moves: {
    switchover: (component, _states, intent) => switchoverSteps(component, intent),
    failover: failoverSteps,
    rejoin: rejoinSteps,
    reopen: reopenSteps,
    follow: followerSteps,
    keeps: keptData,
  },
  fences: { levels: () => ['database', 'archive'], steps: fenceSteps },
  liveness: { signals: livenessSignalsOf },
  losses: { loss: predictedLoss, ahead: followersAhead },
  backups: { backup: (component, _states, site) => backupSteps(component, site), restoreTest: testRestore },
  database: { sql },
  actions,
}

/** Rows of a read-only query on the primary of a site, or on a restored copy in a sandbox. */
async function sql(
  component: Database,
  at: SiteName | Sandbox,
  query: string,
  context: DriverContext,
): Promise<SqlRows> {
  const sandboxed = typeof at !== 'string'
  const kubernetes = context.platform(KUBERNETES, sandboxed ? at.site : at)
  const [namespace, cluster] = sandboxed
    ? [at.namespace, restoredCluster(component)]
    : [component.spec.namespace, clusterOf(component, at)]
  const pod = await primaryPod(kubernetes, namespace, cluster, context.signal)
  const readOnly = `SET default_transaction_read_only = on;\n${query};`
  return runSql(kubernetes, pod, component.spec.database, readOnly, context.signal)
}
