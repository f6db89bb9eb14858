import { type AccessRule, type Identity, IN_SANDBOX } from '../../src/domain/identities.ts'
import type { Driver } from '../../src/driver/capabilities.ts'
import { platformsOf } from '../../src/platform/registry.ts'
import type { ApiCall } from '../support/cluster-in-memory.ts'
import type { Fixture } from './fixture.ts'
import type { MayAsk } from './world.ts'

type ClusterRule = Extract<AccessRule, { readonly kind: 'kubernetes' }>

/** What an identity may ask of API servers by what this driver, and nothing but this driver, declares. */
export function mayAskAs(identity: Identity, driver: Driver, fixture: Fixture): MayAsk {
  const rules = [...declaredBy(driver, fixture), ...neededByCore(fixture, identity)]
  return (call) => rules.some((rule) => rule.identity === identity && permits(rule, call))
}

/** A right of one identity: one verb on one resource, as declared. */
export interface DeclaredRight {
  /** `mover patch clusters/status` */
  readonly text: string
  readonly identity: Identity
  isAskedFor(call: ApiCall): boolean
}

/** Each right that a driver declares, once. */
export function declaredRights(driver: Driver, fixture: Fixture): DeclaredRight[] {
  const rights = new Map<string, ClusterRule[]>()
  for (const rule of declaredBy(driver, fixture))
    for (const resource of rule.resources)
      for (const verb of rule.verbs) {
        const text = `${rule.identity} ${verb} ${resource}`
        rights.set(text, [...(rights.get(text) ?? []), { ...rule, resources: [resource], verbs: [verb] }])
      }
  return [...rights].flatMap(([text, rules]) =>
    rules.slice(0, 1).map(({ identity }) => ({
      text,
      identity,
      isAskedFor: (call) => rules.some((rule) => permits(rule, call)),
    })),
  )
}

const declaredBy = (driver: Driver, { component, stack }: Fixture): ClusterRule[] =>
  driver.access(component, stack).flatMap((rule) => (rule.kind === 'kubernetes' ? [rule] : []))

const neededByCore = ({ stack }: Fixture, identity: Identity): ClusterRule[] =>
  stack.sites.flatMap((site) =>
    platformsOf(site)
      .flatMap((platform) => platform.coreRules(stack, site, identity))
      .flatMap((rule) => (rule.kind === 'kubernetes' ? [rule] : [])),
  )

/** As RBAC decides it: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#role-and-clusterrole. */
function permits(rule: ClusterRule, { site, verb, apiGroup, resource, namespace, name }: ApiCall): boolean {
  const covers = (listed: readonly string[], one: string): boolean => listed.includes('*') || listed.includes(one)
  return (
    rule.site === site &&
    rule.namespace !== IN_SANDBOX &&
    (rule.namespace === null || rule.namespace === namespace) &&
    covers(rule.apiGroups, apiGroup) &&
    covers(rule.resources, resource) &&
    covers(rule.verbs, verb) &&
    (rule.resourceNames === undefined || (name !== null && rule.resourceNames.includes(name)))
  )
}
