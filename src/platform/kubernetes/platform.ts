import { OPERATING } from '../../domain/identities.ts'
import type { Site, SiteName } from '../../domain/stack.ts'
import { quoted } from '../../driver/manual.ts'
import type { PlatformKey } from '../../driver/platform-key.ts'
import { UNSEEN } from '../../errors/unseen.ts'
import type { JsonObject } from '../../values/json.ts'
import type { Platform } from '../platform.ts'
import { accessObjects, coreRules } from './access.ts'
import { patientKubernetes } from './client/patient.ts'
import { clusterSchema, contextByHand, declaredCluster } from './declared-cluster.ts'
import { KUBERNETES } from './key.ts'
import { clusterSignal, LEADS_ELSEWHERE } from './liveness-signals.ts'
import { reachCluster } from './look.ts'
import { emptySandbox, sandboxNamespace } from './sandbox.ts'
import { sharedClusters } from './shared-clusters.ts'

const kubectl = (site: Site): string => `kubectl --context ${quoted(contextByHand(site))}`

/** A Kubernetes cluster per site. */
export const kubernetesPlatform: Platform = {
  name: 'kubernetes',
  schema: clusterSchema,
  problems: sharedClusters,
  credentials(site) {
    const cluster = declaredCluster(site)
    if (cluster === undefined) return []
    const because = `kubeconfig of the identity's own account on ${site.name}`
    return [{ reference: cluster.kubeconfig, identities: OPERATING, because }]
  },
  reach: reachCluster,
  signal: clusterSignal,
  silence: (cause, site) => ({ code: UNSEEN[cause].code, next: UNSEEN[cause].next(site) }),
  stranger: (site, identity) => ({
    code: 'wrong-cluster',
    short: LEADS_ELSEWHERE,
    what: `the kubeconfig of ${site} leads to another cluster: its kube-system has the UID ${identity}`,
    compare: 'Compare clusterId in the stack file with the kubeconfig',
  }),
  text: ({ version, latency }) => `Kubernetes ${version}, ${latency} ms`,
  coreRules,
  accessObjects: (stack, site, rules, identities) =>
    accessObjects(stack, site, rules, identities) as unknown as readonly JsonObject[],
  sandbox: {
    nameFor: sandboxNamespace,
    empty: (site, name, context, around) => emptySandbox(context.platform(KUBERNETES, site), name, around),
    labels: (stack, test) => ({
      'app.kubernetes.io/managed-by': 'standby',
      'standby.dev/stack': stack,
      'standby.dev/restore-test': test.toLowerCase(),
    }),
    patient: (context, around) => ({
      ...context,
      platform: <Client>(key: PlatformKey<Client>, site: SiteName): Client =>
        key.platform === KUBERNETES.platform
          ? (patientKubernetes(context.platform(KUBERNETES, site), around) as Client)
          : context.platform(key, site),
    }),
  },
  byHand: {
    needs: (sites) =>
      `\`kubectl\` with one context per site (${sites.map((site) => `\`${contextByHand(site)}\``).join(', ')})`,
    apply: (site) => `${kubectl(site)} apply -f -`,
    identify: (site) =>
      `${kubectl(site)} get namespace kube-system -o jsonpath='{.metadata.uid}'   # the clusterId of ${site.name} in the stack file?`,
  },
}
