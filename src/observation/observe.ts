import { COMPONENT, patienceOver, SITE, type Trips, type Waiting, type Way, waiting } from '../clients/patience.ts'
import { measuredWay } from '../clients/round-trip.ts'
import { type BySite, EVERYWHERE, type Observed } from '../domain/observed.ts'
import type { Component, Site, SiteName } from '../domain/stack.ts'
import { addressesOf, observeComponent, placesOf, standsOn } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { DriverContext } from '../driver/context.ts'
import { asStandbyError, type StandbyError } from '../errors/standby-error.ts'
import type { Unseen } from '../errors/unseen.ts'
import type { Platform, PlatformView } from '../platform/platform.ts'
import { platforms, platformsOf } from '../platform/registry.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { readWitness, type WitnessView } from '../witness/view.ts'
import type { Observation, SiteView } from './observation.ts'
import { siteViewOf } from './site-view.ts'

/** A dead site is known after this: a status at three in the morning takes no longer. */
export const OBSERVATION_DEADLINE: Milliseconds = seconds(3)

/** Where this process stands: one vantage point of several. */
const VANTAGE_POINT = 'this runner'

/**
 * Asks all sites and components side by side. Never hangs and never throws because something is down: silence is a
 * value. What gives no sign of life for `deadline` is silent; what answers over a slow way is waited for longer ({@link
 * patienceOver}). A login is no part of that time.
 */
export async function observe(
  context: DriverContext,
  store: ConditionalStore,
  drivers: Readonly<Record<string, Driver>>,
  deadline: Milliseconds = OBSERVATION_DEADLINE,
): Promise<Observation> {
  const begun = context.clock.now().getTime()
  const looks = new Map(context.stack.sites.map((site) => [site.name, lookAtSite(context, site, deadline)] as const))
  const components = context.stack.components.map(async (component) => {
    const driver = drivers[component.driver]
    return [
      component.name,
      driver === undefined ? {} : await seeComponent(context, driver, component, looks, deadline),
    ] as const
  })
  const toWitness = waitingFor(store.address === undefined ? [] : [store.address], context.signal, deadline)
  const witness = await answerWithin(
    readWitness(store),
    (why): WitnessView => ({ kind: 'silent', why }),
    toWitness.waiting,
  )
  toWitness.answered()
  const clockSkew = witness.kind === 'answering' ? await skewOf(store, context) : null
  const observation: Observation = {
    at: new Date(begun - (clockSkew ?? 0)).toISOString(),
    clockSkew,
    witness,
    sites: Object.fromEntries(
      await Promise.all([...looks].map(async ([name, ofPlatforms]) => [name, await siteView(ofPlatforms)] as const)),
    ),
    components: Object.fromEntries(await Promise.all(components)),
  }
  // A cancellation by a person is not silence.
  context.signal.throwIfAborted()
  return observation
}

/** The witness has answered: it is not asked for the time once more. */
async function skewOf(store: ConditionalStore, { clock }: DriverContext): Promise<Milliseconds | null> {
  const time = await store.time()
  return time === null ? null : clock.now().getTime() - time.getTime()
}

/** What silence is reported as: with the error, when there was one instead of nothing. */
type Silent<T> = (why: string, error?: StandbyError) => T

/**
 * A look at one platform of a site, and how long what is asked of it afterwards is waited for; of stores as well, whose
 * ways may be longer.
 */
interface Look {
  readonly view: Promise<PlatformView>
  /** The view, or null as soon as a part of the platform has answered. */
  readonly answers: Promise<PlatformView | null>
  readonly waiting: Promise<(stores: readonly Way[]) => Waiting>
}
/** The platforms of one site, by name. */
type LooksOfSite = Readonly<Record<string, Look>>

const lookAtSite = (context: DriverContext, site: Site, deadline: Milliseconds): LooksOfSite =>
  Object.fromEntries(platformsOf(site).map((one) => [one.name, lookAt(one, context, site, deadline)]))

async function siteView(looks: LooksOfSite): Promise<SiteView> {
  const views = Object.entries(looks).map(async ([name, { view }]) => [name, await view] as const)
  return siteViewOf(Object.fromEntries(await Promise.all(views)))
}

function lookAt(platform: Platform, context: DriverContext, site: Site, deadline: Milliseconds): Look {
  const reached = platform.reach(site, context)
  const way: Way = reached.contact ?? { roundTrip: null }
  // The time of the site begins when there is something to ask it with.
  const signedIn = reached.signIn().then(
    () => null,
    (error: unknown) => asStandbyError(error),
  )
  const begun = signedIn.then((failed) => ({
    failed,
    at: performance.now(),
    ofSite: waitingOver([way], reached.trips ?? SITE, context.signal, deadline),
  }))
  const part = Promise.withResolvers<null>()
  const view = begun.then(({ failed, at, ofSite }) => {
    if (failed !== null) return silentSite(failed.message, failed)
    // A connection that proved who answers, and no answer: neither silence nor life.
    const late = (why: string, error?: StandbyError): PlatformView =>
      silentSite(why, error, (reached.contact?.heardAt ?? 0) > at ? 'slow' : 'no-answer')
    return answerWithin(
      reached.look(ofSite.signal, () => part.resolve(null)),
      late,
      ofSite,
    )
  })
  const after = begun.then(
    ({ at }) =>
      (stores: readonly Way[]): Waiting =>
        waitingOver([way, ...stores], COMPONENT, context.signal, deadline, at),
  )
  const whole = untilCancelled(view, context.signal)
  return { view: whole, answers: Promise.race([part.promise, whole]), waiting: after }
}

/** The longest of the ways decides; those that become known meanwhile count. */
function waitingOver(
  ways: readonly Way[],
  { trips, most }: Trips,
  outer: AbortSignal,
  deadline: Milliseconds,
  begun?: number,
): Waiting {
  return waiting(() => Math.max(...ways.map((way) => patienceOver(way, deadline, trips, most))), outer, begun)
}

/** A program that logs in may hang; a person who cancels does not wait for it. */
function untilCancelled(view: Promise<PlatformView>, signal: AbortSignal): Promise<PlatformView> {
  const cancelled = new Promise<PlatformView>((resolve) =>
    signal.addEventListener('abort', () => resolve(silentSite('cancelled')), { once: true }),
  )
  return Promise.race([view, cancelled])
}

/**
 * For what no client of ours tells how slow its way is: measured, once the answer is late. `answered` says that it has
 * come.
 */
function waitingFor(
  addresses: readonly string[],
  outer: AbortSignal,
  deadline: Milliseconds,
): { readonly waiting: Waiting; answered(): void } {
  const ways = addresses.map((address) => measuredWay(address, deadline))
  const asking = ways.map((way) => way.asking())
  return {
    waiting: waitingOver([{ roundTrip: null }, ...ways], COMPONENT, outer, deadline),
    answered() {
      for (const one of asking) one.end()
    },
  }
}

async function seeComponent(
  context: DriverContext,
  driver: Driver,
  component: Component,
  looks: ReadonlyMap<SiteName, LooksOfSite>,
  deadline: Milliseconds,
): Promise<BySite> {
  const ask = async (site: SiteName | null, from: DriverContext, ending: Waiting): Promise<Observed> =>
    answerWithin(
      observeComponent(driver, component, site, { ...from, signal: ending.signal }),
      (why): Observed => ({ kind: 'silent', why }),
      ending,
    )
  const see = async (site: SiteName | null): Promise<Observed> => {
    const under = site === null ? null : standsOn(driver, component)
    if (site === null || under === null) {
      const far = waitingFor(addressesOf(driver, component, site), context.signal, deadline)
      return ask(site, context, far.waiting).finally(far.answered)
    }
    const look = looks.get(site)?.[under]
    if (look === undefined) return { kind: 'silent', why: `${site} declares no ${under}` }
    const first = await look.answers
    if (first !== null && first.kind !== 'answering') return silentUnder(under, site, first)
    const stores: Way[] = context.records?.way === undefined ? [] : [context.records.way]
    const seen = await ask(site, notingStores(context, stores), (await look.waiting)(stores))
    // Another part of the platform may have proved to be a stranger meanwhile.
    const whole = await look.view
    return whole.kind === 'answering' ? seen : silentUnder(under, site, whole)
  }
  return Object.fromEntries(
    await Promise.all(
      placesOf(driver, context.stack).map(async (site) => [site ?? EVERYWHERE, await see(site)] as const),
    ),
  )
}

/** Nothing is read from a platform that is silent, or not the declared one. */
const silentUnder = (
  under: string,
  site: SiteName,
  view: Exclude<PlatformView, { readonly kind: 'answering' }>,
): Observed => ({
  kind: 'silent',
  why:
    view.kind === 'silent'
      ? view.why
      : (platforms[under]?.stranger(site, view.identity).short ?? 'another platform answers'),
})

/** The context, which notes the way to each store that is opened. */
function notingStores(context: DriverContext, stores: Way[]): DriverContext {
  return {
    ...context,
    objectStore(component, site) {
      const { location, open } = context.objectStore(component, site)
      return {
        location,
        async open(access) {
          const store = await open(access)
          if (store.way !== undefined) stores.push(store.way)
          return store
        },
      }
    },
  }
}

const silentSite = (why: string, error?: StandbyError, otherwise: Unseen = 'no-answer'): PlatformView => ({
  kind: 'silent',
  cause: error === undefined || error.unseen === 'no-answer' ? otherwise : (error.unseen ?? 'defect'),
  why,
  triedFrom: [VANTAGE_POINT],
})

/** The answer, or silence when it does not come in time. */
async function answerWithin<T>(answer: Promise<T>, silent: Silent<T>, ending: Waiting): Promise<T> {
  const late = new Promise<T>((resolve) => {
    // After the answer itself, which may hold what was seen by then.
    const end = (): NodeJS.Immediate => setImmediate(() => resolve(silent(ending.why())))
    if (ending.signal.aborted) end()
    else ending.signal.addEventListener('abort', end, { once: true })
  })
  const caught = answer.catch((thrown: unknown) => {
    // What ended because the wait is over says no more than that.
    if (ending.signal.aborted) return silent(ending.why())
    const error = asStandbyError(thrown)
    return silent(error.message, error)
  })
  return Promise.race([caught, late])
}
