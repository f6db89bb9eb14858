import type { World } from '../composition/connect.ts'
import type { Stack } from '../domain/stack.ts'
import type { Change } from '../driver/deployment.ts'
import { inputError, StandbyError, siteError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { platformViewsOf } from '../observation/site-view.ts'
import { lockFindings } from '../planning/lock-findings.ts'
import { refuseWrongClock } from './wrong-clock.ts'

/** Throws the reason that the observation gives against a deploy. Nothing is changed yet. */
export function refuseDeploy(world: World, observation: Observation): void {
  refuseWrongClock(observation)
  refuseSilentSites(world, observation)
  refuseUnfinishedMove(observation)
  refuseEmptiedWitness(world, observation)
}

/** Throws `unknown-component`. Needs no site and no credential. */
export function refuseUnknownComponents(stack: Stack, only: readonly string[]): void {
  const unknown = only.filter((name) => !stack.components.some((component) => component.name === name))
  if (unknown.length === 0) return
  throw inputError('unknown-component', `${stack.name} has no component ${unknown.join(', ')}`, {
    next: `Name some of ${stack.components.map((component) => component.name).join(', ')}.`,
  })
}

/** The error of a deploy with a refused part; null: everything can be applied. A part alone is never applied. */
export function refusedChanges(changes: ReadonlyMap<string, readonly Change[]>): StandbyError | null {
  const refused = [...changes].flatMap(([unit, list]) =>
    list.flatMap(({ kind, object, path, why }) => (kind === 'refused' ? [{ unit, object, path, why }] : [])),
  )
  const [first] = refused
  if (first === undefined) return null
  const what = [
    ...new Set(refused.map(({ object, path, why }) => `${object}${path === undefined ? '' : ` ${path}`}: ${why}`)),
  ]
  return siteError('change-refused', what.join('; '), {
    where: first.unit,
    next: 'Nothing was changed. Declare what is possible, or change what refuses it; standby deploy --dry-run asks again.',
  })
}

/** A deploy must see everything that it may change. */
function refuseSilentSites(world: World, observation: Observation): void {
  for (const site of world.stack.sites) {
    for (const { platform, view } of platformViewsOf(site, observation)) {
      if (view.kind !== 'silent') continue
      const { code, next } = platform.silence(view.cause, site.name)
      throw new StandbyError({
        code,
        mustAct: 'site',
        what: `${site.name} cannot be looked at: ${view.why}`,
        where: site.name,
        next: `Nothing was changed. ${next}`,
        unseen: view.cause,
      })
    }
  }
}

/**
 * Refuses a deploy after a move that stopped half way: it has closed the traffic on purpose, and a deploy could open it
 * to the wrong site.
 */
function refuseUnfinishedMove(observation: Observation): void {
  const lock = observation.witness.kind === 'answering' ? observation.witness.lock : null
  const [unfinished] = lockFindings(lock, null, new Date(observation.at))
  if (unfinished === undefined) return
  throw new StandbyError({
    code: unfinished.code,
    mustAct: 'site',
    what: unfinished.what,
    where: 'witness lock.json',
    next: `${unfinished.next}. Nothing was changed.`,
  })
}

/**
 * Refuses to name a new active site and epoch where an earlier deploy has left objects: both existed and must be
 * restored.
 */
function refuseEmptiedWitness(world: World, observation: Observation): void {
  const emptied = world.findings(observation, null).find(({ code }) => code === 'witness-emptied')
  if (emptied === undefined) return
  throw siteError(emptied.code, emptied.what, {
    where: 'witness active.json',
    next: `Nothing was changed. ${emptied.next ?? ''}`,
  })
}
