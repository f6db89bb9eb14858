import type { KubernetesObject } from '../clients/kubernetes-client.ts'
import { type AccessRule, type Identity, IN_SANDBOX, OPERATING } from '../domain/identities.ts'
import type { SiteName, Stack } from '../domain/stack.ts'
import type { Driver } from '../driver/driver.ts'
import { guardNamespace } from '../guard/names.ts'
import { KEEP_LABEL, SANDBOX_LABEL, sandboxNamespace } from '../platform/kubernetes/sandbox.ts'
import { type PolicyStatement, witnessStatements } from '../witness/s3/policy.ts'

/** The identities that a stack uses: the four that operations run with, and what its components bring. */
function identitiesOf(stack: Stack, drivers: Readonly<Record<string, Driver>>): Identity[] {
  return [...new Set([...OPERATING, ...stack.components.flatMap(({ driver }) => drivers[driver]?.brings ?? [])])]
}

/** The namespace of an identity's ServiceAccount. */
const identityNamespace = (stack: string, identity?: Identity): string =>
  identity === 'guard' ? guardNamespace(stack) : `standby-${stack}`
const accountOf = (identity: Identity): string => `standby-${identity}`

/** The ServiceAccount of an identity, on every site. */
export const identityAccount = (
  stack: string,
  identity: Identity,
): { readonly namespace: string; readonly name: string } => ({
  namespace: identityNamespace(stack, identity),
  name: accountOf(identity),
})

/** All rights that a stack needs: what its drivers ask for, and what the core itself reads. */
export function accessRulesOf(stack: Stack, drivers: Readonly<Record<string, Driver>>): AccessRule[] {
  const identities = identitiesOf(stack, drivers)
  const ofDrivers = stack.components
    .flatMap((component) => drivers[component.driver]?.access(component, stack) ?? [])
    .filter(({ identity }) => identities.includes(identity))
  const ofCore = stack.sites.flatMap((site) =>
    identities.flatMap((identity): AccessRule[] => [
      rule(identity, site.name, null, ['namespaces'], ['get'], 'to prove that this is the declared cluster', [
        'kube-system',
      ]),
      ...(identity !== 'guard'
        ? [
            rule(
              identity,
              site.name,
              null,
              ['nodes'],
              ['list'],
              'to tell a living site from an API server without nodes',
            ),
          ]
        : []),
      ...(identity === 'restore-tester'
        ? [
            rule(identity, site.name, null, ['namespaces'], ['get'], 'to prove that the sandbox is one', [
              sandboxNamespace(stack.name),
            ]),
          ]
        : []),
    ]),
  )
  return withRestoreTests([...ofCore, ...ofDrivers])
}

/**
 * A restore test that takes a backup first runs as the mover, from the backup to the end: one process has one set of
 * credentials.
 */
const withRestoreTests = (rules: readonly AccessRule[]): AccessRule[] => [
  ...rules,
  ...rules.flatMap((one): AccessRule[] =>
    one.kind === 'kubernetes' && one.identity === 'restore-tester'
      ? [{ ...one, identity: 'mover', because: `${one.because} (verify-backup with a fresh backup)` }]
      : [],
  ),
]

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
 * The objects that give a site's identities their rights, the sandbox namespace included; made by an administrator,
 * once.
 */
export function accessObjects(
  stack: Stack,
  drivers: Readonly<Record<string, Driver>>,
  site: SiteName,
): KubernetesObject[] {
  const rules = accessRulesOf(stack, drivers).filter((one) => one.kind === 'kubernetes' && one.site === site)
  const labels = { 'app.kubernetes.io/managed-by': 'standby', 'standby.dev/stack': stack.name, [KEEP_LABEL]: 'true' }
  const identities = identitiesOf(stack, drivers)
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

export interface Policy {
  readonly Version: '2012-10-17'
  readonly Statement: readonly PolicyStatement[]
}

/**
 * The S3 policy of each identity, as a document that services take as it is: `aws iam put-user-policy
 * --policy-document`.
 */
export function bucketPolicies(stack: Stack, drivers: Readonly<Record<string, Driver>>): Record<string, Policy> {
  const verbs = {
    list: ['s3:ListBucket'],
    get: ['s3:GetObject'],
    put: ['s3:PutObject'],
    delete: ['s3:DeleteObject'],
    policy: ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'],
  } as const
  const ofBucket = (action: keyof typeof verbs): boolean => action === 'list' || action === 'policy'
  const witness = stack.witness.spec as { readonly bucket?: string; readonly prefix?: string }
  const rules = accessRulesOf(stack, drivers).filter((one) => one.kind === 'object-store')
  return Object.fromEntries(
    identitiesOf(stack, drivers).map((identity): [string, Policy] => [
      identity,
      {
        Version: '2012-10-17',
        Statement: [
          ...rules
            .filter((one) => one.identity === identity)
            .map(
              (one): PolicyStatement => ({
                Effect: 'Allow',
                Action: one.actions.flatMap((action) => verbs[action]),
                Resource: [
                  ...(one.actions.some(ofBucket) ? [`arn:aws:s3:::${one.bucket}`] : []),
                  ...(one.actions.every(ofBucket) ? [] : [`arn:aws:s3:::${one.bucket}/${one.prefix}*`]),
                ],
              }),
            ),
          ...witnessStatements(identity, witness.bucket ?? '', witness.prefix ?? ''),
        ],
      },
    ]),
  )
}
