import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import { type AccessRule, type Identity, IN_SANDBOX } from '../../domain/identities.ts'
import type { Site, SiteName, Stack } from '../../domain/stack.ts'
import { accountOf, identityNamespace } from './identity-accounts.ts'
import { KEEP_LABEL, SANDBOX_LABEL, sandboxNamespace } from './sandbox.ts'

/**
 * The rights that the core needs on a cluster: to prove which one it is, to see it live, to prove the sandbox. Pure.
 */
export function coreRules(stack: Stack, site: Site, identity: Identity): AccessRule[] {
  return [
    rule(identity, site.name, null, ['namespaces'], ['get'], 'to prove that this is the declared cluster', [
      'kube-system',
    ]),
    ...(identity !== 'guard'
      ? [rule(identity, site.name, null, ['nodes'], ['list'], 'to tell a living site from an API server without nodes')]
      : []),
    ...(identity === 'restore-tester'
      ? [
          rule(identity, site.name, null, ['namespaces'], ['get'], 'to prove that the sandbox is one', [
            sandboxNamespace(stack.name),
          ]),
        ]
      : []),
  ]
}

function rule(
  identity: Identity,
  site: SiteName,
  namespace: string | null,
  resources: string[],
  verbs: string[],
  because: string,
  resourceNames?: string[],
): AccessRule {
  const named = resourceNames === undefined ? {} : { resourceNames }
  return { kind: 'kubernetes', identity, site, namespace, apiGroups: [''], resources, verbs, ...named, because }
}

/**
 * The objects that give the identities of a site their rights, the sandbox namespace included; an administrator applies
 * them, once. Pure.
 */
export function accessObjects(
  stack: Stack,
  site: Site,
  allRules: readonly AccessRule[],
  identities: readonly Identity[],
): KubernetesObject[] {
  const rules = allRules.filter((one) => one.kind === 'kubernetes' && one.site === site.name)
  const labels = { 'app.kubernetes.io/managed-by': 'standby', 'standby.dev/stack': stack.name, [KEEP_LABEL]: 'true' }
  const sandbox = sandboxNamespace(stack.name)
  return [
    namespace(identityNamespace(stack.name), labels),
    ...(identities.includes('guard')
      ? [
          namespace(identityNamespace(stack.name, 'guard'), {
            ...labels,
            'pod-security.kubernetes.io/enforce': 'restricted',
          }),
        ]
      : []),
    namespace(sandbox, { ...labels, [SANDBOX_LABEL]: 'true', 'pod-security.kubernetes.io/enforce': 'baseline' }),
    ...identities.flatMap((identity): KubernetesObject[] => {
      const home = identityNamespace(stack.name, identity)
      const own = rules.filter((one) => one.identity === identity)
      const spaces = [...new Set(own.map((one) => (one.kind === 'kubernetes' ? one.namespace : null)))]
      return [
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: accountOf(identity), namespace: home, labels } },
        ...spaces.flatMap((space) =>
          roleWithBinding(
            identity,
            space === IN_SANDBOX ? sandbox : space,
            own.filter((one) => one.kind === 'kubernetes' && one.namespace === space),
            { stack: stack.name, home, labels },
          ),
        ),
      ]
    }),
  ]
}

const namespace = (name: string, labels: Record<string, string>): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
})

function roleWithBinding(
  identity: Identity,
  space: string | null,
  rules: readonly AccessRule[],
  around: { readonly stack: string; readonly home: string; readonly labels: Record<string, string> },
): KubernetesObject[] {
  const group = 'rbac.authorization.k8s.io'
  const name = space === null ? `standby-${around.stack}-${identity}` : accountOf(identity)
  const kind = space === null ? 'ClusterRole' : 'Role'
  const metadata = { name, labels: around.labels, ...(space === null ? {} : { namespace: space }) }
  return [
    {
      apiVersion: `${group}/v1`,
      kind,
      metadata: { ...metadata, annotations: { 'standby.dev/because': reasons(rules) } },
      rules: merged(rules),
    },
    {
      apiVersion: `${group}/v1`,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: group, kind, name },
      subjects: [{ kind: 'ServiceAccount', name: accountOf(identity), namespace: around.home }],
    },
  ]
}

/** Equal rules once, in a fixed order. */
function merged(rules: readonly AccessRule[]): object[] {
  const unique = new Map<string, object>()
  for (const one of rules) {
    if (one.kind !== 'kubernetes') continue
    const { apiGroups, resources, verbs, resourceNames } = one
    const entry = { apiGroups, resources, verbs, ...(resourceNames === undefined ? {} : { resourceNames }) }
    unique.set(JSON.stringify(entry), entry)
  }
  return [...unique.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry)
}

const reasons = (rules: readonly AccessRule[]): string => [...new Set(rules.map((one) => one.because))].join('; ')
