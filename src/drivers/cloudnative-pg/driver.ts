import type { Driver } from '../../planning/driver.ts'
import type { SiteName } from '../../stack/stack.ts'
import type { Sandbox } from '../../verification/restore-test.ts'
import { accessOf, claimsOf, problemsOf } from './access.ts'
import { afterMoveSteps, clearToken, follow, schedule, settle } from './after-move.ts'
import { assessClusters } from './assess.ts'
import { backup, backupSteps, manifest } from './backup.ts'
import { catchUp, catchUpStep } from './catch-up.ts'
import { demote, demoteStep } from './demote.ts'
import { deployCluster } from './deploy.ts'
import { primaryPod, runSql } from './objects.ts'
import { type CloudNativePgState, gapsOf, observeCluster } from './observe.ts'
import { checkpoint, checkpointStep } from './prepare.ts'
import { promote, promoteStep } from './promote.ts'
import { restoredCluster } from './restore-copy.ts'
import { testRestore } from './restore-test.ts'
import { type CloudNativePgSpec, cloudNativePgSchema, clusterOf } from './spec.ts'

/** PostgreSQL on both sites, run by CloudNativePG: it moves by demotion and promotion token, and loses nothing. */
export const cloudNativePg: Driver<CloudNativePgSpec, CloudNativePgState> = {
  kind: 'cloudnative-pg',
  scope: 'site',
  schema: cloudNativePgSchema,
  files: (component) => (component.spec.cluster === undefined ? [] : [component.spec.cluster.file]),
  claims: claimsOf,
  validate: problemsOf,
  access: accessOf,
  observe: observeCluster,
  assess: assessClusters,
  gaps: (_component, states, activeSite, now) => gapsOf(states, activeSite, now),
  deploy: deployCluster,
  move: (component, _states, intent) => [
    checkpointStep(component, intent),
    demoteStep(component, intent),
    catchUpStep(component, intent),
    promoteStep(component, intent),
    ...afterMoveSteps(component, intent),
    ...backupSteps(component, intent.to),
  ],
  backup: (component, _states, site) => backupSteps(component, site),
  behaviours: { checkpoint, demote, 'catch-up': catchUp, promote, settle, follow, 'clear-token': clearToken, schedule, backup, manifest },
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

const isSandbox = (at: SiteName | Sandbox): at is Sandbox => typeof at !== 'string'
