import type { World } from '../../src/composition/connect.ts'
import type { AnyAction } from '../../src/driver/action.ts'
import type { Driver } from '../../src/driver/capabilities.ts'
import { type EngineBehaviour, type EngineRun, wayBackOf } from '../../src/driver/engine.ts'
import type { JsonObject } from '../../src/values/json.ts'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'

/** A process that dies at its n-th instant: from then on none of its calls ever comes back, and none has an effect. */
export interface MortalProcess {
  readonly world: World
  /** Resolves at its death; never, when it lives on. */
  readonly died: Promise<'died'>
  /** How many instants it has lived through. */
  instants(): number
}

/** Instants lie before and after every call to the witness and every look, effect and undoing of a step. */
export function mortalProcess(world: World, diesAt: number): MortalProcess {
  let lived = 0
  let die: (how: 'died') => void = () => undefined
  const died = new Promise<'died'>((resolve) => {
    die = resolve
  })
  const instant = async (): Promise<void> => {
    if (lived >= diesAt) {
      die('died')
      await new Promise<never>(() => undefined)
    }
    lived += 1
  }
  async function through<T>(call: () => Promise<T>): Promise<T> {
    await instant()
    const answer = await call()
    await instant()
    return answer
  }
  const { store } = world
  const mortalStore: ConditionalStore = {
    stack: null,
    get: (key) => through(() => store.get(key)),
    create: (key, body) => through(() => store.create(key, body)),
    replace: (key, body, version) => through(() => store.replace(key, body, version)),
    getText: (key) => through(() => store.getText(key)),
    createText: (key, text) => through(() => store.createText(key, text)),
    list: (prefix) => through(() => store.list(prefix)),
    time: () => store.time(),
  }
  const drivers = Object.fromEntries(
    Object.entries(world.drivers).map(([kind, driver]) => [kind, mortalDriver(driver, through)]),
  )
  return { world: { ...world, store: mortalStore, drivers }, died, instants: () => lived }
}

type Through = <T>(call: () => Promise<T>) => Promise<T>

function mortalDriver(driver: Driver, through: Through): Driver {
  const mortal = (action: AnyAction<JsonObject>): AnyAction<JsonObject> => ({
    ...action,
    behaviour: mortalBehaviour(action.behaviour, through),
  })
  // Each of the two kinds of drivers stays what it is.
  return { ...driver, actions: driver.actions.map(mortal) }
}

function mortalBehaviour(behaviour: EngineBehaviour, through: Through): EngineBehaviour {
  const wayBack = wayBackOf(behaviour)
  const common = { done: (run: EngineRun) => through(() => behaviour.done(run)) }
  if (behaviour.is === 'check') return { is: 'check', ...common } as EngineBehaviour
  const back =
    wayBack === null
      ? behaviour.back
      : {
          undo: (run: EngineRun, precondition: JsonObject) => through(() => wayBack.undo(run, precondition)),
          undone: (run: EngineRun) => through(() => wayBack.undone(run)),
        }
  if (behaviour.is === 'plain')
    return {
      is: 'plain',
      ...common,
      apply: (run: EngineRun) => through(() => behaviour.apply(run)),
      back,
    } as EngineBehaviour
  return {
    is: 'versioned',
    ...common,
    apply: (run, precondition) => through(() => behaviour.apply(run, precondition)),
    invalidate: (run) => through(() => behaviour.invalidate(run)),
    back,
  } as EngineBehaviour
}
