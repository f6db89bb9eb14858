import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Driver } from '../../driver/driver.ts'
import type { AnyAction } from '../../driver/kit/action.ts'
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
import { clearToken } from './move/clear-token.ts'
import { demote } from './move/demote.ts'
import { fillArchive } from './move/fill-archive.ts'
import { follow } from './move/follow.ts'
import { askArchive, leaveArchive } from './move/leave-archive.ts'
import { checkpoint } from './move/prepare.ts'
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
import { type CloudNativePgSpec, cloudNativePgSchema, clusterOf } from './spec.ts'

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
 * PostgreSQL on both sites, run by CloudNativePG: it moves by demotion and promotion token, and loses nothing; a lost
 * site is replaced without.
 */
export const cloudNativePg: Driver<CloudNativePgSpec, CloudNativePgState> = {
  kind: 'cloudnative-pg',
  codes,
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
  ...adaptedActions(actions, around),
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

const isSandbox = (at: SiteName | Sandbox): at is Sandbox => typeof at !== 'string'
