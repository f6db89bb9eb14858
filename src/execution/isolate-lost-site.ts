import type { ObjectStoreLocation } from '../clients/object-store-client.ts'
import type { Intent, PlannedStep } from '../domain/plan.ts'
import type { CredentialReference, SiteName } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import { StandbyError } from '../errors/standby-error.ts'

/**
 * The context of a step of a failover: whatever would ask the lost site is a defect, and said at once instead of waited
 * for. Only the fences that a still answering site gets may reach it; the plan names it in them.
 */
export function contextOfStep(context: DriverContext, intent: Intent | null, step: PlannedStep): DriverContext {
  if (intent?.mode !== 'failover' || step.site === intent.from) return context
  const lost = intent.from
  const refuse = (what: string): never => {
    throw new StandbyError({
      code: 'lost-site-touched',
      mustAct: 'defect',
      what: `${step.id} asks for ${what} of ${lost}, and a failover rests on nothing of the lost site`,
      where: lost,
    })
  }
  const kept = (reference: CredentialReference, site?: SiteName): void => {
    if ('secret' in reference && (reference.secret.site ?? site) === lost)
      refuse(`the Secret ${reference.secret.namespace}/${reference.secret.name}`)
  }
  return {
    ...context,
    kubernetes: (site) => (site === lost ? refuse('the Kubernetes API') : context.kubernetes(site)),
    kubeconfig: (site) => (site === lost ? refuse('the kubeconfig') : context.kubeconfig(site)),
    sql: async (component, at, query) =>
      (typeof at === 'string' ? at : at.site) === lost
        ? refuse(`SQL on ${component}`)
        : context.sql(component, at, query),
    async credential(reference, site) {
      kept(reference, site)
      return context.credential(reference, site)
    },
    objectStore(component, site) {
      const { location, open } = context.objectStore(component, site)
      return {
        location,
        async open(access) {
          for (const reference of keysOf(location, access)) kept(reference, site)
          return open(access)
        },
      }
    },
  }
}

function keysOf(location: ObjectStoreLocation, access: 'read' | 'write' | 'policy' = 'read'): CredentialReference[] {
  const { readCredentials, credentials, policyCredentials } = location
  const keys = { read: readCredentials, write: credentials, policy: policyCredentials }[access]
  return keys === undefined ? [] : Object.values(keys)
}
