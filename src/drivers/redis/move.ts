import type { BySite } from '../../domain/observed.ts'
import type { Intent, Phase, PlannedStep } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Varies } from '../../driver/varying.ts'
import { databasesOf, type HeldKeys, keysInWords } from '../../systems/redis/count-keys.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { isObject, type Json } from '../../values/json.ts'
import { dumpStep } from './backup.ts'
import { dumpSeen, type RedisState } from './observe.ts'
import type { Cache } from './spec.ts'

/** What a restore needs to know of a dump. */
export interface DumpReference extends HeldKeys {
  readonly name: string
  readonly sha256: string
  readonly takenAt: string
}

/**
 * A switchover takes a last dump of the old site along; a failover the newest that the lost site has left behind. Pure.
 */
export function moveSteps(component: Cache, states: BySite<RedisState>, intent: Intent): PlannedStep[] {
  const { from, to } = intent
  const failover = intent.mode === 'failover'
  const restored = failover ? [planned(component, states, intent)] : handedOver(component, intent)
  return [
    ...restored,
    scheduleStep(component, to, false, 'PROTECT'),
    ...(failover ? [] : [scheduleStep(component, from, true, 'PROTECT')]),
    // Without it the next failover, within the hour, would bring back what this site held the last time it was active.
    dumpStep(component, to, 'PROTECT', `Takes the first dump of ${component.spec.name} on ${to}`),
  ]
}

/**
 * A former active site that answers stops its dumps: they would go on into its bucket, of stale data and under newer
 * names than the true ones. Users are shut out with the application. Nothing where no dump is taken. Pure.
 */
export function fenceSteps(component: Cache, states: BySite<RedisState>, intent: Intent): PlannedStep[] {
  const seen = states[intent.from]
  if (seen?.kind !== 'answering' || seen.state.dumping !== true) return []
  const step = scheduleStep(component, intent.from, true, 'FENCE')
  return [{ ...step, id: `${component.name}.fence@${intent.from}`, action: 'fence', fence: 'application' }]
}

/**
 * The former active site keeps nothing that anybody could take for the truth: its dumps stop, and its Redis is empty
 * until the next move. Pure.
 */
export function rejoinSteps(component: Cache, _states: BySite<RedisState>, intent: Intent): PlannedStep[] {
  const { name } = component.spec
  return [
    scheduleStep(component, intent.to, true, 'DRAIN'),
    restoreStep(component, intent.to, {
      title: `Starts ${name} on ${intent.to} empty: what it held is stale; it stays on the volume, aside, until the next move`,
      parameters: { source: intent.to, dump: '' },
    }),
  ]
}

function handedOver(component: Cache, { from, to }: Intent): PlannedStep[] {
  const { name } = component.spec
  // A passive Redis holds nothing that anybody needs: it may be filled while the database is still on its way.
  const mayBeginIn = 'FENCE'
  if (component.spec.move === 'fresh')
    return [
      restoreStep(component, to, { ...asDeclared(component, to), mayBeginIn, parameters: { source: from, dump: '' } }),
    ]
  // Behind DRAIN, so that nobody writes any more; beside the demotion of the database.
  const title = `Takes a last dump of ${name} on ${from}, after its last writer stopped`
  const last: PlannedStep = { ...dumpStep(component, from, 'FINAL_SYNC', title), mayBeginIn: 'FENCE' }
  return [
    last,
    restoreStep(component, to, {
      mayBeginIn,
      needs: [last.id],
      title: `Loads the last dump of ${from} into ${name} on ${to}, and counts the keys of each database`,
      parameters: { source: from, dump: last.id },
    }),
  ]
}

/** Begins with the failover itself: nothing of the lost site is waited for. */
function planned(component: Cache, states: BySite<RedisState>, { from, to }: Intent): PlannedStep {
  const { name } = component.spec
  const mayBeginIn = 'DRAIN'
  const parameters = { source: from, dump: '' }
  if (component.spec.move === 'fresh')
    return restoreStep(component, to, { ...asDeclared(component, to), mayBeginIn, parameters })
  const dump = dumpSeen(states, from, to)
  if (dump === null || dump === 'unreadable')
    return restoreStep(component, to, {
      mayBeginIn,
      title: `Starts ${name} on ${to} empty: no dump of ${from} ${dump === null ? 'exists' : 'can be read'}`,
      parameters,
    })
  const { name: dumpName, keys, expired, databases, libraries, sha256, takenAt } = dump
  const held = {
    keys,
    expired,
    ...(databases === undefined ? {} : { databases }),
    ...(libraries === undefined ? {} : { libraries }),
  }
  return restoreStep(component, to, {
    mayBeginIn,
    title: loads(name, from, to, dump),
    parameters: { ...parameters, planned: { name: dumpName, ...held, sha256, takenAt } },
  })
}

const loads = (name: string, from: string, to: string, dump: HeldKeys & Pick<DumpReference, 'takenAt'>): string =>
  `Loads the dump of ${from} of ${dump.takenAt} (${keysInWords(dump.keys, databasesOf(dump))}) into ${name} on ${to}, and counts the keys of each database; begins empty should it not load`

/**
 * The title of a restore as it would be planned with this dump; null where nothing that was written as a dump could be.
 * Pure.
 */
export function titleOfPlanned({ spec }: Cache, { site, parameters: { planned, source } }: PlannedStep): string | null {
  if (site === null || typeof source !== 'string' || !isObject(planned)) return null
  const { takenAt, keys, databases = {} } = planned
  const told = (count: Json | undefined): boolean => Number.isSafeInteger(count)
  const counted =
    isObject(databases) &&
    Object.entries(databases).every(([number, held]) => /^\d+$/.test(number) && isObject(held) && told(held.keys))
  // No words: what stands in a title is read by whoever approves it.
  if (typeof takenAt !== 'string' || !/^[\dTZ:.+-]+$/.test(takenAt) || !told(keys) || !counted) return null
  return loads(spec.name, source, site, planned as unknown as DumpReference)
}

/**
 * A lost site that lives on takes newer dumps than the one that was approved; and its store may have gone silent since.
 * What was to be read when the plan was made is what it must name.
 */
export const dumpVaries: Varies = (planned, now, madeAt) => {
  const takenAt = isObject(planned) ? Date.parse(String(planned.takenAt)) : Number.NaN
  const wasThere = takenAt <= Date.parse(madeAt)
  return wasThere && (now === undefined || (isObject(now) && Date.parse(String(now.takenAt)) > Date.parse(madeAt)))
}

const asDeclared = (component: Cache, site: SiteName) => ({
  title: `Starts ${component.spec.name} on ${site} empty, as declared`,
})

function restoreStep(
  component: Cache,
  site: SiteName,
  step: Pick<PlannedStep, 'title' | 'parameters'> & Partial<Pick<PlannedStep, 'mayBeginIn' | 'needs'>>,
): PlannedStep {
  return {
    id: `${component.name}.restore@${site}`,
    component: component.name,
    action: 'restore',
    site,
    phase: 'RESTORE_AUX',
    needs: [],
    irreversible: false,
    deadline: minutes(20),
    expected: seconds(3),
    ...step,
  }
}

/** Dumps are taken on the active site, and on no other. */
export function scheduleStep(component: Cache, site: SiteName, suspend: boolean, phase: Phase): PlannedStep {
  return {
    id: `${component.name}.schedule@${site}`,
    component: component.name,
    action: 'schedule',
    site,
    phase,
    needs: [],
    irreversible: false,
    deadline: minutes(1),
    expected: seconds(0.2),
    title: `${suspend ? 'Suspends' : 'Resumes'} the backups of ${component.spec.name} on ${site}`,
    parameters: { suspend },
  }
}
