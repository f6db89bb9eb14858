import type { World } from '../../src/composition/connect.ts'
import type { Progress } from '../../src/domain/progress.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'
import type { Behaviour } from '../support/flat/behaviour.ts'
import type { FlatDriver } from '../support/flat/driver.ts'
import { liftedDriver } from '../support/flat/lifted.ts'
import { toyCode } from '../support/toy-codes.ts'
import { toyWorld } from '../support/toy-stack.ts'
import { type Action, modelStack, PLACES, type Place } from './model-plans.ts'

/** The sites of the model as objects that real behaviours act on. */
export interface RealSites {
  readonly primary: boolean[]
  readonly application: boolean[]
  /** Where the load balancers lead. */
  traffic: Place | null
}
export const sitesAtFirst = (): RealSites => ({ primary: [true, false], application: [true, false], traffic: 0 })

/** Decides whether the next effect fails, before or after it happened. */
export type Fault = () => 'before' | 'after' | null

/** The drivers of the model for the real engine: what `looks` and `take` are to the explorer. */
function behaviours(sites: RealSites, fault: Fault): Partial<Record<Action, Behaviour>> {
  const seen = (holds: boolean): Progress => (holds ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: 'it' })
  const effect = (set: () => void) => async () => {
    const fails = fault()
    if (fails === 'before') throw siteError(toyCode.refused, 'it was refused')
    set()
    if (fails === 'after') throw siteError(toyCode['answer-lost'], 'it happened, and nobody knows')
  }
  const step = (holds: () => boolean, set?: () => void, undo?: () => void): Behaviour => ({
    done: async () => seen(holds()),
    ...(set === undefined ? {} : { apply: effect(set) }),
    ...(undo === undefined ? {} : { undo: effect(undo) }),
  })
  const put = (list: boolean[], place: Place, value: boolean) => () => {
    list[place] = value
  }
  const lead = (to: Place | null) => () => {
    sites.traffic = to
  }
  const [from, to] = PLACES as [Place, Place]
  return {
    stop: step(() => !sites.application[from], put(sites.application, from, false), put(sites.application, from, true)),
    close: step(() => sites.traffic === null, lead(null), lead(from)),
    demote: step(() => !sites.primary[from], put(sites.primary, from, false), put(sites.primary, from, true)),
    'catch-up': step(() => true),
    promote: step(() => sites.primary[to] === true, put(sites.primary, to, true)),
    start: step(() => sites.application[to] === true, put(sites.application, to, true)),
    open: step(() => sites.traffic === to, lead(to)),
  }
}

/** A process of the real engine over the sites of the model. */
export function realProcess(
  sites: RealSites,
  store: ConditionalStore,
  clock: Clock,
  driver: FlatDriver,
  fault: Fault,
): World {
  const world = toyWorld({ writer: null, effects: [] }, store, { clock })
  return {
    ...world,
    stack: modelStack,
    context: { ...world.context, stack: modelStack },
    drivers: {
      toy: liftedDriver({ ...driver, behaviours: { ...behaviours(sites, fault) } as Record<string, Behaviour> }),
    },
  }
}
