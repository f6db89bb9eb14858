import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../driver/deployment.ts'
import { minutes } from '../../values/duration.ts'
import { askSite, seenIfThere } from './ask.ts'
import { meshUnits } from './mesh/deploy.ts'
import { CLOSED, datacenterOf, type Federation, queriesOf, redirectedServices } from './spec.ts'
import { definitionOf, type QueryView, readAllQueries, writeQueries } from './traffic/queries.ts'
import { readRedirect, writeRedirect } from './traffic/redirects.ts'

/** What a deploy brings about at one site: its prepared queries, and, at the primary one, configuration entries. */
export async function deployUnits(
  component: Federation,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  const isPrimary = component.spec.primary === site
  return [
    ...(queriesOf(component).length === 0 ? [] : [queriesUnit(component, site, deployment, context)]),
    ...(isPrimary
      ? redirectedServices(component).map((service) => redirectUnit(component, site, service, { deployment, context }))
      : []),
    ...(isPrimary ? meshUnits(component, site, context) : []),
  ]
}

/**
 * What a query of a site should lead to: where it leads, as a move alone takes users elsewhere; the active site, where
 * it leads nowhere yet.
 */
const wanted = (component: Federation, leads: string | null, { activeSite }: Deployment): string =>
  leads === null || leads === CLOSED ? datacenterOf(component, activeSite) : leads

function queriesUnit(
  component: Federation,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): DeployUnit {
  const look = async (signal: AbortSignal) => {
    const client = askSite(component, site, context, { signal })
    return { client, views: await readAllQueries(component, site, client) }
  }
  const differing = (views: Readonly<Record<string, QueryView>>) =>
    queriesOf(component).filter(
      ([name]) => views[name]?.leads !== wanted(component, views[name]?.leads ?? null, deployment),
    )
  return {
    id: `${component.name}.queries@${site}`,
    site,
    needs: [],
    title: `Writes the prepared queries of ${datacenterOf(component, site)}`,
    deadline: minutes(2),
    async diff(signal): Promise<Change[]> {
      const { views = {} } = (await seenIfThere(() => look(signal))) ?? {}
      return differing(views).map(([name, query]) => {
        const view = views[name]
        const value = wanted(component, view?.leads ?? null, deployment)
        return {
          kind: view === undefined ? 'create' : 'update',
          object: `${datacenterOf(component, site)}/query/${name}`,
          to: definitionOf(component, site, [name, query], value),
        }
      })
    },
    async apply(signal) {
      const { client, views } = await look(signal)
      for (const [name, query] of differing(views)) {
        const value = wanted(component, views[name]?.leads ?? null, deployment)
        await writeQueries(component, site, value, { views, client, only: [[name, query]] })
      }
    },
    async ready(signal): Promise<Progress> {
      const missing = differing((await look(signal)).views).map(([name]) => name)
      return missing.length === 0
        ? { is: 'done', proof: { queries: queriesOf(component).map(([name]) => name) } }
        : { is: 'pending', waitingFor: `the prepared queries ${missing.join(', ')} of ${site}` }
    },
  }
}

function redirectUnit(
  component: Federation,
  site: SiteName,
  service: string,
  { deployment, context }: { readonly deployment: Deployment; readonly context: DriverContext },
): DeployUnit {
  const look = async (signal: AbortSignal) => {
    const client = askSite(component, site, context, { signal })
    const view = await readRedirect(client, service)
    return { client, view, value: wanted(component, view.leads, deployment) }
  }
  return {
    id: `${component.name}.redirect-${service}@${site}`,
    site,
    needs: [],
    title: `Leads ${service} of the mesh to the active datacenter`,
    deadline: minutes(2),
    async diff(signal): Promise<Change[]> {
      const seen = await seenIfThere(() => look(signal))
      if (seen !== null && seen.view.leads === seen.value) return []
      return [
        {
          kind: seen === null || seen.view.modifyIndex === 0 ? 'create' : 'update',
          object: `service-resolver/${service}`,
          path: 'Redirect.Datacenter',
          from: seen?.view.leads ?? null,
          to: seen?.value ?? wanted(component, null, deployment),
        },
      ]
    },
    async apply(signal) {
      const { client, view, value } = await look(signal)
      if (view.leads !== value) await writeRedirect(client, service, value, view)
    },
    async ready(signal): Promise<Progress> {
      const { view, value } = await look(signal)
      return view.leads === value
        ? { is: 'done', proof: { service, leads: value } }
        : { is: 'pending', waitingFor: `${service} to lead to ${value}` }
    },
  }
}
