import type { ObjectStoreLocation } from '../clients/object-store-client.ts'
import { type Intent, leavesLostSite, type PlannedStep } from '../domain/plan.ts'
import type { CredentialReference, SiteName } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import type { Reach } from '../driver/reach.ts'
import { StandbyError } from '../errors/standby-error.ts'
import type { Milliseconds } from '../values/duration.ts'

/**
 * The context of a step of a failover or a follow: a question to the lost site is a defect, and ends at once instead of
 * being waited for. Two kinds of calls may reach the lost site: the fences that the plan places on a site that still
 * answers, and calls that their driver declares as possibly lost with the site, within the time that it declares.
 */
export function contextOfStep(context: DriverContext, intent: Intent | null, step: PlannedStep): DriverContext {
  if (intent === null || !leavesLostSite(intent) || step.site === intent.from) return context
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
  const logged = new Set<string>()
  /** How long a call to the lost site may take; null without a limit. Throws for a call that must not reach it. */
  const limitOf = (reach: Reach, what: string): Milliseconds | null => {
    if (reach === 'outside-sites' || reach.site !== lost) return null
    const { mayBeLost = refuse(what) } = reach
    if (!logged.has(what)) context.log.debug(`${step.id}: ${what} stands in ${lost}, is tried, and may be lost`)
    logged.add(what)
    return mayBeLost
  }
  return {
    ...context,
    platform: (key, site) => (site === lost ? refuse(`the platform ${key.platform}`) : context.platform(key, site)),
    kubeconfig: (site) => (site === lost ? refuse('the kubeconfig') : context.kubeconfig(site)),
    async sql(component, at, query) {
      const site = typeof at === 'string' ? at : at.site
      return site === lost ? refuse(`SQL on ${component}`) : context.sql(component, at, query)
    },
    async http(request, reach) {
      const limit = limitOf(reach, request.url)
      return context.http({ ...request, deadline: shorter(request.deadline, limit) }, reach)
    },
    async askSql(question, reach) {
      const limit = limitOf(reach, `the server ${question.server.host}`)
      return context.askSql({ ...question, deadline: shorter(question.deadline, limit) }, reach)
    },
    async run(command, args, options, reach) {
      const limit = limitOf(reach, `the program ${command}`)
      return context.run(command, args, { ...options, deadline: shorter(options.deadline, limit) }, reach)
    },
    ssh(access, reach) {
      const limit = limitOf(reach, `the host ${access.host}`)
      const runner = context.ssh(access, reach)
      return limit === null
        ? runner
        : {
            run: (line, stdin, deadline = limit, signal) => runner.run(line, stdin, shorter(deadline, limit), signal),
            close: () => runner.close(),
          }
    },
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

const shorter = (deadline: Milliseconds, limit: Milliseconds | null): Milliseconds =>
  Math.min(deadline, limit ?? deadline)

function keysOf(location: ObjectStoreLocation, access: 'read' | 'write' | 'policy' = 'read'): CredentialReference[] {
  const { readCredentials, credentials, policyCredentials } = location
  const keys = { read: readCredentials, write: credentials, policy: policyCredentials }[access]
  return keys === undefined ? [] : Object.values(keys)
}
