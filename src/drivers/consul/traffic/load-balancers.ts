import type { StatesPerSite } from '../../../driver/capabilities.ts'
import type {
  Held,
  Instance,
  InstanceView,
  LoadBalancers,
  Reading,
  SeenTraffic,
} from '../../../systems/traffic/load-balancers.ts'
import { askSite } from '../ask.ts'
import { codes } from '../codes.ts'
import type { Known } from '../known.ts'
import type { ConsulState } from '../observe.ts'
import {
  CLOSED,
  type ConsulSpec,
  datacenterOf,
  type Federation,
  queriesOf,
  redirectedServices,
  siteOf,
  siteWithDatacenter,
} from '../spec.ts'
import { type QueryView, readAllQueries, writeQueries } from './queries.ts'
import { type RedirectView, readRedirect, writeRedirect } from './redirects.ts'

/**
 * What leads users, in the words of load balancers: the prepared queries of each datacenter are one instance, which
 * stands in its site, and each redirect is another one, which stands in the site of the primary datacenter.
 */
export interface ConsulReading extends Reading {
  readonly queries?: Readonly<Record<string, QueryView>>
  readonly redirect?: RedirectView
}

const REDIRECT = 'redirect of '
/** The service of an instance that is a redirect; null: it is the queries of a site. */
const serviceOf = (name: string): string | null => (name.startsWith(REDIRECT) ? name.slice(REDIRECT.length) : null)

/** All that a move flips. */
export const leadersOf = (component: Federation): Instance[] => [
  ...(queriesOf(component).length === 0
    ? []
    : Object.keys(component.spec.sites).map((site) => ({ name: site, url: '', site }))),
  ...redirectedServices(component).map((service) => ({
    name: `${REDIRECT}${service}`,
    url: '',
    site: primaryOf(component),
  })),
]
/** `validate` demands it where there are redirects. */
const primaryOf = ({ name, spec: { primary } }: Federation): string => {
  if (primary === undefined) throw new Error(`${name} declares no primary`)
  return primary
}

/** What all queries of a site lead to, as one value. Pure. */
function heldBy(component: Federation, views: Readonly<Record<string, QueryView>>): Held {
  const all = queriesOf(component).map(([name]) => views[name])
  const values = [...new Set(all.map((view) => (view === undefined ? null : (view.leads ?? 'another definition'))))]
  const [value = null] = values
  const runtime = values.length > 1 ? values.map((one) => one ?? 'nothing').join(' and ') : value
  return { runtime, file: runtime }
}
const heldByRedirect = ({ leads }: RedirectView): Held => ({ runtime: leads, file: leads })

export const leaders: LoadBalancers<ConsulSpec, ConsulReading> = {
  codes,
  instances: leadersOf,
  valueOf: datacenterOf,
  siteOf: (component, value) => (value === null ? null : siteWithDatacenter(component, value)),
  closedValue: () => CLOSED,
  // Consul answers look-ups, and serves no user itself: the step `switch` asks the queries instead.
  verification: () => null,
  address: (component, name) =>
    siteOf(component, serviceOf(name) === null ? name : primaryOf(component)).servers[0] ?? '',
  async reach(component, name, context, { reach, deadline }) {
    const service = serviceOf(name)
    const site = service === null ? name : primaryOf(component)
    const asked = (signal: AbortSignal) =>
      askSite(component, site, context, { signal, reach, ...(deadline === undefined ? {} : { deadline }) })
    return {
      async read(signal) {
        if (service !== null) {
          const redirect = await readRedirect(asked(signal), service)
          return { view: heldByRedirect(redirect), redirect }
        }
        const queries = await readAllQueries(component, site, asked(signal))
        return { view: heldBy(component, queries), queries }
      },
      async set({ value, before }, signal) {
        if (service !== null && before.redirect !== undefined)
          await writeRedirect(asked(signal), service, value, before.redirect)
        if (before.queries !== undefined)
          await writeQueries(component, site, value, { views: before.queries, client: asked(signal) })
        return 0
      },
    }
  },
  // A look-up that was answered leaves no session in Consul: how long its answer is kept is the TTL of the query.
  sessions: () => 0,
  nameOfSetting: 'prepared query',
  nameOfValue: () => 'leads to',
  objectOf: (_component, name) => name,
  unset: (_component, name) => ({
    what:
      serviceOf(name) === null
        ? `${name} lacks a declared prepared query`
        : `there is no ${name}: the mesh leads to the own datacenter of each proxy`,
    next: 'Run a deploy.',
  }),
}

/**
 * What was seen of them at the sites of these states: for a move, planning judges its two ends alone, and no third site
 * blocks it. Pure.
 */
export function seenLeaders(component: Federation, states: StatesPerSite<ConsulState>): SeenTraffic {
  const asked = leadersOf(component).filter(({ site = '' }) => states[site] !== undefined)
  const views = asked.map(({ name, site = '' }): readonly [string, InstanceView] => {
    const seen = states[site]
    if (seen?.kind !== 'answering') return [name, { kind: 'silent', why: seen?.why ?? 'it was not observed' }]
    const service = serviceOf(name)
    return [
      name,
      service === null
        ? viewOf(seen.state.queries, (queries) => heldBy(component, queries))
        : viewOf(seen.state.redirects[service], heldByRedirect),
    ]
  })
  const silent = views.flatMap(([name, view]) => (view.kind === 'silent' ? [`${name}: ${view.why}`] : []))
  if (views.length > 0 && silent.length === views.length) return { kind: 'silent', why: silent.join('; ') }
  return {
    kind: 'answering',
    state: { instances: Object.fromEntries(views) },
    role: 'unknown',
    health: 'healthy',
    text: '',
    facts: [],
  }
}

function viewOf<T>(seen: Known<T> | undefined, held: (value: T) => Held): InstanceView {
  if (seen === undefined) return { kind: 'silent', why: 'it was not observed' }
  return seen.is === 'known' ? { kind: 'answering', ...held(seen.value) } : { kind: 'silent', why: seen.why }
}

/** Whether an instance is a redirect, and not the queries of a site. Pure. */
export const isRedirect = (name: string): boolean => serviceOf(name) !== null
