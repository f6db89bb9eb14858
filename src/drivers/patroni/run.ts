import type { SiteName } from '../../domain/stack.ts'
import type { Seen, StepRun } from '../../driver/behaviour.ts'
import type { Proof } from '../../driver/proofs.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { Fork } from '../../systems/postgres/timeline-history.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { canonicalJson, isObject, type JsonObject } from '../../values/json.ts'
import { codes } from './codes.ts'
import { storeOf } from './dcs/open-store.ts'
import type { PatroniStore, StoreView } from './dcs/store.ts'
import { forksOf } from './history.ts'
import { historyOnHost, hostOf } from './host.ts'
import { askMembers, followedIn, type PatroniState, reachInto, writerIn } from './observe.ts'
import { wakeMember } from './rest-api.ts'
import { clusterNamed, type Database, membersOf, type PatroniSpec, standbyClusterOf } from './spec.ts'

/** A running step of this driver. */
export type DatabaseRun<Parameters extends JsonObject = JsonObject, Memory = unknown> = StepRun<
  PatroniSpec,
  Parameters,
  Memory
>
/** A step that waiting cannot help. */
export type Failed = Extract<Seen<Proof, never>, { readonly is: 'failed' }>
/** What an effect on the configuration rests on: the revision of its key. */
export type AsSeen = { readonly revision: string }

/** The site on which the step acts. A step of this kind without a site is a defect of its plan. */
export function siteOf({ site, step }: DatabaseRun): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}

/** Of one call of a step to a store. */
const STORE: Milliseconds = seconds(5)

export const storeOfRun = (run: DatabaseRun, site: string): PatroniStore =>
  storeOf(run.component, site, run.context, {
    reach: reachInto(site, run.context),
    deadline: STORE,
    signal: run.signal,
  })

export type Configured = StoreView & { readonly config: NonNullable<StoreView['config']> }

/** What the store of a site holds. Throws `patroni-config-missing`, and as `PatroniStore.read`. */
export async function readStoreOf(run: DatabaseRun, site: string): Promise<Configured> {
  const view = await storeOfRun(run, site).read()
  const { config } = view
  if (config === null)
    throw codes.error('patroni-config-missing', `the store of ${site} holds no configuration of Patroni`, {
      retry: 'never',
      where: site,
      next: 'Compare namespace and scope in the stack file with the configuration of Patroni.',
    })
  return { ...view, config }
}

export const membersAt = (run: DatabaseRun, site: string): Promise<PatroniState['members']> =>
  askMembers(run.component, site, run.context, { signal: run.signal })

/** The name of the member of a site that accepts writes. Throws `patroni-unlocked`. */
export async function primaryOf(run: DatabaseRun, site: string): Promise<string> {
  const primary = writerIn({ members: await membersAt(run, site) })
  if (primary !== null) return primary.name
  throw codes.error('patroni-unlocked', `no member of ${clusterNamed(run.component, site)} accepts writes`, {
    retry: 'transient',
    where: site,
    unanswered: true,
  })
}

/** The site that the cluster of a site follows, by the configuration in its store. */
export const followedBy = ({ component }: DatabaseRun, { config }: Configured): string | null =>
  followedIn(component, config.value)

/**
 * Has the cluster of a site follow another one (null: none), if its configuration is still as it was seen, and where
 * `leader` is given, if that member holds the lock; and wakes Patroni. The REST API of Patroni has no precondition for
 * its caller: the PATCH of a process that died would take effect after another process has taken the move over. So the
 * key in the store is written instead, in a transaction that compares its revision, as Patroni itself writes it. Throws
 * `patroni-store-changed` (conflict).
 */
export async function direct(
  run: DatabaseRun,
  site: string,
  seen: AsSeen,
  followed: string | null,
  leader: string | null = null,
): Promise<void> {
  const { config } = await readStoreOf(run, site)
  const { standby_cluster: _, ...others } = config.value
  const wanted =
    followed === null ? others : { ...others, standby_cluster: standbyClusterOf(run.component, site, followed) }
  const isOurs =
    config.revision === seen.revision &&
    (await storeOfRun(run, site).replaceConfig(wanted, seen.revision, leader ?? undefined))
  if (!isOurs)
    throw codes.error('patroni-store-changed', `the configuration of Patroni on ${site} was changed meanwhile`, {
      retry: 'conflict',
      where: site,
    })
  await wake(run, site, wanted)
}

/** How long Patroni may take to see in its store what was just written there: usually some milliseconds. */
const SEEN_WITHIN: Milliseconds = seconds(3)
const AGAIN: Milliseconds = 50

/**
 * Wakes Patroni on every member of a site, until one that holds the lock has read this configuration. A loop that is
 * woken before would read the former one, and sleep again for `loop_wait`. Without an answer Patroni reads the new one
 * by itself, later.
 */
export async function wake(run: DatabaseRun, site: string, wanted: JsonObject): Promise<void> {
  const { leader } = await readStoreOf(run, site)
  const names = membersOf(run.component, site)
  const asking = { reach: reachInto(site, run.context), signal: run.signal, deadline: SEEN_WITHIN }
  const text = canonicalJson(wanted)
  const isAwake = async (name: string): Promise<boolean> => {
    const until = performance.now() + SEEN_WITHIN
    while (performance.now() < until) {
      const read = await wakeMember(run.component, site, name, run.context, asking)
      if (read === null || read === 'refused') return false
      if (canonicalJson(read) === text) return true
      await run.context.clock.sleep(AGAIN, run.signal)
    }
    return false
  }
  const others = names.filter((name) => name !== leader).map(isAwake)
  const isLeaderAwake = leader !== null && names.includes(leader) && (await isAwake(leader))
  // The others need not act at once: nothing waits for them here.
  for (const other of others) other.catch(() => undefined)
  if (!isLeaderAwake) run.context.log.debug(`${run.step.id}: Patroni on ${site} reads its configuration by itself`)
}

/**
 * Yields ten times a second, for a step that users wait for. Neither PostgreSQL nor the REST API of Patroni says when
 * something changes, and the store learns of it a second later.
 */
export async function* oftenAsked(run: DatabaseRun): AsyncIterable<unknown> {
  while (!run.signal.aborted) {
    await run.context.clock.sleep(OFTEN, run.signal)
    yield null
  }
}
const OFTEN: Milliseconds = 100

/** Wakes Patroni with the configuration as it is: a nudge. Never throws. */
export async function wakeAgain(run: DatabaseRun, site: string): Promise<void> {
  try {
    const { config } = await readStoreOf(run, site)
    await wake(run, site, config.value)
  } catch (error) {
    run.signal.throwIfAborted()
    run.context.log.debug(`${run.step.id}: Patroni on ${site} was not woken: ${asStandbyError(error).message}`)
  }
}

/** Writes the configuration as it is: it has another revision, and a write that rests on the former one fails. */
export async function invalidateConfig(run: DatabaseRun, site: string): Promise<void> {
  const { config } = await readStoreOf(run, site)
  // Where another process was faster, the revision is another one too.
  await storeOfRun(run, site).replaceConfig(config.value, config.revision)
}

/**
 * How a primary came to its timeline: by the store of its site, or by its own file where Patroni has not written it
 * there yet, or where a number was left out (PostgreSQL takes the next number that its archive does not know). Empty
 * where neither says it.
 */
export async function historyOfPrimary(
  run: DatabaseRun,
  site: string,
  { primary, timeline }: { readonly primary: string; readonly timeline: number },
): Promise<readonly Fork[]> {
  const { history } = await readStoreOf(run, site)
  const last = history.at(-1)
  if (last !== undefined && last[0] === timeline - 1) return forksOf(history)
  return historyOnHost(hostOf(run.component, site, primary, run.context, run.signal), timeline)
}

/** Why Patroni would carry out no change of its configuration; null: it would. Pure. */
export const pausedIn = ({ config }: Configured, site: string): Failed | null =>
  config.value.pause === true
    ? {
        is: 'failed',
        code: codes.code['patroni-paused'],
        why: `Patroni is paused on ${site}: it carries out no change of its role`,
        next: 'patronictl resume',
      }
    : null

/** Whether `standby_cluster` of a site is exactly what a move writes. Pure. */
export const isDirectedTo = (component: Database, site: string, { config }: Configured, followed: string): boolean => {
  const standby = config.value.standby_cluster
  return isObject(standby) && canonicalJson(standby) === canonicalJson(standbyClusterOf(component, site, followed))
}
