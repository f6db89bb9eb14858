import type { Intent } from '../../domain/plan.ts'
import { type DriverStep, stepOf } from '../../driver/action.ts'
import type { Moves, StatesPerSite } from '../../driver/capabilities.ts'
import { dump, dumpStep } from './backup.ts'
import { keptData } from './loss.ts'
import { dumpSeen, type RedisState } from './observe.ts'
import { titleOfLoad } from './planned-dump.ts'
import { restoreStep } from './restore.ts'
import { scheduleStep } from './schedule.ts'
import type { Cache, RedisSpec } from './spec.ts'

type States = StatesPerSite<RedisState>

export const moves: Moves<RedisSpec, States> = {
  /** Carries a last dump of the old site over. */
  switchover: (component, _states, intent) => [
    ...handedOver(component, intent),
    scheduleStep(component, intent.to, false, 'PROTECT'),
    scheduleStep(component, intent.from, true, 'PROTECT'),
    firstDump(component, intent),
  ],
  /** Loads the newest dump of the lost site, and waits for nothing there. */
  failover: (component, states, intent) => [
    planned(component, states, intent),
    scheduleStep(component, intent.to, false, 'PROTECT'),
    firstDump(component, intent),
  ],
  /**
   * The former active site keeps no data that could count as current: its dumps stop, and its Redis is empty until the
   * next move.
   */
  rejoin: (component, _states, { to }) => [
    scheduleStep(component, to, true, 'DRAIN'),
    restoreStep(to, {
      title: `Starts ${component.spec.name} on ${to} empty: what it held is stale; it stays on the volume, aside, until the next move`,
      parameters: { source: to, dump: '' },
    }),
  ],
  /** The guard of the site suspends the dumps, and nothing else of this component. */
  reopen: (component, _states, { to }) => [scheduleStep(component, to, false, 'PROTECT')],
  keeps: keptData,
}

/** Without it a failover within the next hour would load a dump of the last time when this site was active. */
const firstDump = (component: Cache, { to }: Intent): DriverStep =>
  dumpStep(component, to, 'PROTECT', `Takes the first dump of ${component.spec.name} on ${to}`)

function handedOver(component: Cache, { from, to }: Intent): DriverStep[] {
  const { name } = component.spec
  // A passive Redis serves no users: it may be filled while the database still moves.
  const mayBeginIn = 'FENCE'
  if (component.spec.move === 'fresh')
    return [
      restoreStep(to, {
        mayBeginIn,
        title: titleOfFresh(component, to),
        parameters: { source: from, dump: '' },
      }),
    ]
  const last = stepOf(component, dump, from)
  return [
    // After DRAIN, when all writers have stopped; in parallel with the demotion of the database.
    dumpStep(component, from, 'FINAL_SYNC', `Takes a last dump of ${name} on ${from}, after its last writer stopped`, {
      mayBeginIn,
    }),
    restoreStep(to, {
      mayBeginIn,
      needs: [last],
      title: `Loads the last dump of ${from} into ${name} on ${to}, and counts the keys of each database`,
      parameters: { source: from, dump: last.id },
    }),
  ]
}

/** Begins with the failover itself. */
function planned(component: Cache, states: States, { from, to }: Intent): DriverStep {
  const { name } = component.spec
  const mayBeginIn = 'DRAIN'
  const parameters = { source: from, dump: '' }
  if (component.spec.move === 'fresh')
    return restoreStep(to, { mayBeginIn, title: titleOfFresh(component, to), parameters })
  const seen = dumpSeen(states, from, to)
  if (seen === null || seen === 'unreadable')
    return restoreStep(to, {
      mayBeginIn,
      title: `Starts ${name} on ${to} empty: no dump of ${from} ${seen === null ? 'exists' : 'can be read'}`,
      parameters,
    })
  const { name: dumpName, keys, expired, databases, libraries, sha256, takenAt } = seen
  const held = {
    keys,
    expired,
    ...(databases === undefined ? {} : { databases }),
    ...(libraries === undefined ? {} : { libraries }),
  }
  return restoreStep(to, {
    mayBeginIn,
    title: titleOfLoad(name, from, to, seen),
    parameters: { ...parameters, planned: { name: dumpName, ...held, sha256, takenAt } },
  })
}

const titleOfFresh = (component: Cache, site: string): string =>
  `Starts ${component.spec.name} on ${site} empty, as declared`
