import type { KubernetesClient } from '../clients/kubernetes-client.ts'
import { isReady } from '../clients/kubernetes-conditions.ts'
import { type Milliseconds, readableDuration, seconds } from '../duration.ts'
import { asStandbyError, type StandbyError } from '../errors.ts'
import type { ConditionalStore } from '../execution/conditional-store.ts'
import { readWitness } from '../execution/witness.ts'
import type { Driver, DriverContext } from '../planning/driver.ts'
import type { Component, Site, SiteName } from '../stack/stack.ts'
import { type BySite, EVERYWHERE, type Observation, type Observed, type SiteView, type WitnessView } from './observation.ts'

/** A dead site is known after this: nobody waits longer for a status at three in the morning. */
export const OBSERVATION_DEADLINE: Milliseconds = seconds(3)

/** Where this process stands: one vantage point of several. */
const VANTAGE_POINT = 'this runner'

/** Asks all sites and components side by side. Never hangs and never throws because something is down: silence is a value. */
export async function observe(
  context: DriverContext,
  store: ConditionalStore,
  drivers: Readonly<Record<string, Driver>>,
  deadline: Milliseconds = OBSERVATION_DEADLINE,
): Promise<Observation> {
  const at = context.clock.now().toISOString()
  const bounded: DriverContext = { ...context, signal: AbortSignal.any([context.signal, AbortSignal.timeout(deadline)]) }
  const within = <T>(answer: Promise<T>, silent: Silent<T>): Promise<T> => answerWithin(answer, silent, bounded.signal, deadline)

  const sites = new Map(context.stack.sites.map((site) => [site.name, within(seeSite(bounded, site), silentSite)] as const))
  const components = context.stack.components.map(async (component) => {
    const driver = drivers[component.driver]
    return [component.name, driver === undefined ? {} : await seeComponent(bounded, driver, component, sites, within)] as const
  })
  const witness = within(readWitness(store), (why): WitnessView => ({ kind: 'silent', why }))
  const observation: Observation = {
    at,
    witness: await witness,
    sites: Object.fromEntries(await Promise.all([...sites].map(async ([name, view]) => [name, await view] as const))),
    components: Object.fromEntries(await Promise.all(components)),
  }
  // A cancellation by a person is not silence.
  context.signal.throwIfAborted()
  return observation
}

/** What silence is told as: with the error, when there was one instead of nothing. */
type Silent<T> = (why: string, error?: StandbyError) => T
type Within = <T>(answer: Promise<T>, silent: Silent<T>) => Promise<T>

async function seeComponent(
  context: DriverContext,
  driver: Driver,
  component: Component,
  sites: ReadonlyMap<SiteName, Promise<SiteView>>,
  within: Within,
): Promise<BySite> {
  const see = async (site: SiteName | null): Promise<readonly [string, Observed]> => {
    // Nothing is read from a cluster that is not the declared one.
    const view = site === null || driver.outside === true ? null : await sites.get(site)
    if (view?.kind === 'stranger') return [site ?? EVERYWHERE, { kind: 'silent', why: 'the kubeconfig leads to another cluster' }]
    if (view?.kind === 'silent') return [site ?? EVERYWHERE, { kind: 'silent', why: view.why }]
    return [site ?? EVERYWHERE, await within(driver.observe(component, site, context), (why): Observed => ({ kind: 'silent', why }))]
  }
  return Object.fromEntries(await Promise.all(driver.scope === 'stack' ? [see(null)] : context.stack.sites.map((site) => see(site.name))))
}

async function seeSite(context: DriverContext, site: Site): Promise<SiteView> {
  const begun = performance.now()
  const kubernetes = context.kubernetes(site.name)
  const nodes = seeNodes(kubernetes, context.signal)
  const [clusterId, version] = await Promise.all([kubernetes.clusterId(), kubernetes.version()])
  if (clusterId !== site.kubernetes.clusterId) return { kind: 'stranger', clusterId }
  const latency = Math.round(performance.now() - begun)
  const seen = await nodes
  return { kind: 'answering', clusterId, version, latency, ...(seen === null ? {} : { nodes: seen }) }
}

/** Less than an observation may take: a site is not called silent because its nodes could not be listed. */
const NODES_WITHIN: Milliseconds = seconds(1)
const NODE = { apiVersion: 'v1', kind: 'Node', plural: 'nodes' } as const

/** null where nobody may ask: then an API server that answers counts for all that stands behind it. */
async function seeNodes(
  kubernetes: KubernetesClient,
  signal: AbortSignal,
): Promise<{ readonly ready: number; readonly total: number } | null> {
  try {
    const nodes = await kubernetes.list(NODE, {}, { signal, deadline: NODES_WITHIN })
    return { ready: nodes.filter(isReady).length, total: nodes.length }
  } catch {
    return null
  }
}

const silentSite = (why: string, error?: StandbyError): SiteView => ({
  kind: 'silent',
  cause: error === undefined ? 'no-answer' : (error.unseen ?? 'defect'),
  why,
  triedFrom: [VANTAGE_POINT],
})

/** The answer, or silence when it does not come in time. */
async function answerWithin<T>(answer: Promise<T>, silent: Silent<T>, bounded: AbortSignal, deadline: Milliseconds): Promise<T> {
  const late = new Promise<T>((resolve) => {
    const end = (): void => resolve(silent(`no answer within ${readableDuration(deadline)}`))
    if (bounded.aborted) end()
    else bounded.addEventListener('abort', end, { once: true })
  })
  const caught = answer.catch((thrown: unknown) => {
    const error = asStandbyError(thrown)
    return silent(error.message, error)
  })
  return Promise.race([caught, late])
}
