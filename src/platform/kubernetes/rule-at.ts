import type { AccessRule, Identity } from '../../domain/identities.ts'
import type { SiteName } from '../../domain/stack.ts'

/**
 * Makes the rules of a component that is in one namespace of a site. Without `resourceNames` a rule is for all objects
 * of its resources.
 */
export const ruleAt =
  (site: SiteName, namespace: string) =>
  (
    identity: Identity,
    apiGroups: readonly string[],
    resources: readonly string[],
    verbs: readonly string[],
    because: string,
    resourceNames?: readonly string[],
  ): AccessRule => ({
    kind: 'kubernetes',
    identity,
    site,
    namespace,
    apiGroups,
    resources,
    verbs,
    because,
    ...(resourceNames === undefined ? {} : { resourceNames }),
  })
