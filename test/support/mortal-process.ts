import type { World } from '../../src/composition/connect.ts'
import type { Behaviour } from '../../src/driver/flat/behaviour.ts'
import type { Driver } from '../../src/driver/flat/driver.ts'
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
    Object.entries(world.drivers).map(([kind, driver]) => [kind, mortalDriver(driver as Driver, through)]),
  )
  return { world: { ...world, store: mortalStore, drivers }, died, instants: () => lived }
}

type Through = <T>(call: () => Promise<T>) => Promise<T>

function mortalDriver(driver: Driver, through: Through): Driver {
  const mortal = ({ done, apply, undo, undone, touch }: Behaviour): Behaviour => ({
    done: (run) => through(() => done(run)),
    ...(apply === undefined ? {} : { apply: (run) => through(() => apply(run)) }),
    ...(undo === undefined ? {} : { undo: (run) => through(() => undo(run)) }),
    ...(undone === undefined ? {} : { undone: (run) => through(() => undone(run)) }),
    ...(touch === undefined ? {} : { touch: (run) => through(() => touch(run)) }),
  })
  return {
    ...driver,
    behaviours: Object.fromEntries(Object.entries(driver.behaviours).map(([name, one]) => [name, mortal(one)])),
  }
}
