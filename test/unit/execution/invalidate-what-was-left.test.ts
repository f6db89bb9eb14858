import { describe, expect, test } from '@jest/globals'
import type { Mode, Plan } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { executeMove, type MoveRun } from '../../../src/execution/execute-move.ts'
import { progressTo } from '../../../src/execution/progress.ts'
import { invalidateWhatWasLeft, mayStillChange } from '../../../src/execution/take-over.ts'
import { witnessSteps } from '../../../src/planning/witness-steps.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { readLock } from '../../../src/witness/lock.ts'
import type { Behaviour, FlatRun } from '../../support/flat/behaviour.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { soundPlan } from '../../support/sound-plan.ts'
import { deployedToy, toyClock, toyDriver, toyStep, toyWorld } from '../../support/toy-stack.ts'

/** One object with versions, as an API server keeps it: a change of an older version is refused. */
function versionedObject() {
  const object = { version: 1, stopped: false, effects: [] as string[], touches: 0, refused: 0 }
  const change = (seen: unknown, what: string, stopped: boolean): void => {
    if (seen !== object.version) {
      object.refused += 1
      throw siteError('kubernetes-conflict', 'the object has been modified', { retry: 'conflict' })
    }
    object.version += 1
    object.stopped = stopped
    object.effects.push(what)
  }
  return { object, change }
}
type Versioned = ReturnType<typeof versionedObject>

/**
 * Stops it and starts it again; `before` comes between the engine's look at the lock and the effect, as a sleep would.
 */
function stopping(
  { object, change }: Versioned,
  before: (what: 'stop' | 'start') => Promise<void> = async () => undefined,
): Behaviour {
  const seen = (wanted: boolean) => async () =>
    object.stopped === wanted
      ? { is: 'done' as const, proof: {} }
      : { is: 'pending' as const, waitingFor: 'it', due: { version: object.version } }
  const act = (what: 'stop' | 'start') => async (run: FlatRun) => {
    await before(what)
    change(run.precondition?.version, what, what === 'stop')
  }
  return {
    done: seen(true),
    apply: act('stop'),
    undo: act('start'),
    undone: seen(false),
    invalidate: async () => {
      object.touches += 1
      object.version += 1
    },
  }
}

async function deployed(mode: Mode = 'switchover') {
  const { store } = await deployedToy()
  const clock = toyClock()
  const intent = { mode, from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
  const [from, to] = [intent.from, intent.to]
  const steps = [
    ...witnessSteps(intent),
    toyStep(`application.stop@${from}`, 'DRAIN'),
    toyStep(`application.start@${to}`, 'START'),
  ]
  const plan = soundPlan({ intent, steps })
  /** A process of a run; each has the drivers that it would have, and all share the sites and the witness. */
  const process = (how: MoveRun['how'], stop: Behaviour, more: Partial<MoveRun> = {}) => {
    const { fence: _, ...toy } = toyDriver({ writer: null, effects: [] })
    const world = toyWorld({ writer: null, effects: [] }, store, { clock })
    const drivers = { toy: liftedDriver({ ...toy, behaviours: { ...toy.behaviours, stop } }) }
    const { log, signal } = world
    const context = { ...world.context, stack: { ...world.stack, fencing: { switchover: null, failover: null } } }
    const progress = progressTo(log, clock, () => undefined)
    return executeMove({ plan, digest: 'd', run: 'r', how, store, drivers, context, clock, progress, signal, ...more })
  }
  return { store, clock, plan, process }
}

/** Something that a test lets go on when it likes. */
function gate() {
  let open: () => void = () => undefined
  let reached: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const arrived = new Promise<void>((resolve) => {
    reached = resolve
  })
  const pass = (): Promise<void> => {
    reached()
    return opened
  }
  return { arrived, open, pass }
}

describe('a process that falls asleep between its look at the lock and its effect', () => {
  test('finds its effect refused after another process took over, and changes nothing any more', async () => {
    const at = await deployed()
    const site = versionedObject()
    const sleep = gate()
    const asleep = at.process(
      'begin',
      stopping(site, async (what) => (what === 'stop' ? sleep.pass() : undefined)),
    )
    await sleep.arrived
    at.clock.pass(180_000)
    const taken = await at.process('abort', stopping(site))
    expect(taken.verdict).toBe('undone')
    expect(site.object.stopped).toBe(false)

    sleep.open()
    const late = await asleep.catch((error: unknown) => ({ failure: error, verdict: 'stopped' }))
    expect(site.object).toMatchObject({ stopped: false, refused: 1, effects: [] })
    expect(late.verdict).toBe('stopped')
    expect(late.failure).toMatchObject({ code: expect.stringMatching(/lock-lost|run-continued-elsewhere/) })
  })

  test('while it goes back does not start what another process has stopped since', async () => {
    const at = await deployed()
    const site = versionedObject()
    const dies = new AbortController()
    await at.process(
      'begin',
      {
        ...stopping(site),
        done: async (run) => (site.object.stopped ? Promise.reject(dies.abort()) : stopping(site).done(run)),
      },
      { signal: dies.signal },
    )
    expect(site.object.effects).toEqual(['stop'])
    at.clock.pass(180_000)
    const sleep = gate()
    const asleep = at.process(
      'abort',
      stopping(site, async (what) => (what === 'start' ? sleep.pass() : undefined)),
    )
    await sleep.arrived
    at.clock.pass(180_000)
    const version = site.object.version
    // It takes over, touches what was left, and dies before it does anything itself.
    const dying = new AbortController()
    const touched: Behaviour = { ...stopping(site), undone: async () => Promise.reject(dying.abort()) }
    await at.process('resume', touched, { signal: dying.signal }).catch(() => undefined)
    expect(site.object.version).toBeGreaterThan(version)
    sleep.open()
    await asleep.catch(() => undefined)
    expect(site.object).toMatchObject({ stopped: true, refused: 1, effects: ['stop'] })
  })
})

describe('a process that takes a run over', () => {
  /** A run whose process is gone before its first effect. */
  async function left(mode: Mode = 'switchover') {
    const at = await deployed(mode)
    const site = versionedObject()
    void at.process(
      'begin',
      stopping(site, () => new Promise(() => undefined)),
    )
    while (
      (await openJournal(at.store, 'r')).entries.every(
        (entry) => !('step' in entry) || entry.step !== 'application.stop@dc-a',
      )
    )
      await new Promise((resolve) => setImmediate(resolve))
    at.clock.pass(180_000)
    return { ...at, site }
  }

  test('invalidates what was left before anything else, and only after the lock is its own', async () => {
    const at = await left()
    let holder: string | undefined
    const stop = stopping(at.site)
    const outcome = await at.process('resume', {
      ...stop,
      invalidate: async (run) => {
        holder = (await readLock(at.store))?.record.holder
        expect(at.site.object.effects).toEqual([])
        await stop.invalidate?.(run)
      },
    })
    expect(holder).toBe('r#2')
    expect(outcome).toMatchObject({ verdict: 'moved', failure: null })
    expect(at.site.object).toMatchObject({ touches: 1, effects: ['stop'] })
  })

  test('does nothing at all where it cannot invalidate, says why, and leaves the direction to the next one, which can', async () => {
    const at = await left()
    const refused = siteError('kubernetes-forbidden', 'a right is lacking')
    const outcome = await at.process('resume', { ...stopping(at.site), invalidate: () => Promise.reject(refused) })
    expect(outcome).toMatchObject({ verdict: 'stopped', failure: { code: 'kubernetes-forbidden' } })
    expect(at.site.object).toMatchObject({ effects: [], stopped: false })
    at.clock.pass(180_000)
    expect(await at.process('resume', stopping(at.site))).toMatchObject({ verdict: 'moved' })
    expect(at.site.object).toMatchObject({ effects: ['stop'] })
  })

  test('by another run invalidates what the unfinished one left, but nothing on the lost site of a failover', async () => {
    const at = await left()
    await at.store.create('runs/r/plan.json', at.plan as never)
    const next = (intent: object, run: string) => {
      const plan = { ...at.plan, id: run, nonce: run, epoch: 2, intent: { ...at.plan.intent, ...intent } } as Plan
      return at.process('begin', stopping(at.site), {
        run,
        plan: { ...plan, steps: plan.steps.filter(({ phase }) => phase === 'LOCK') },
      })
    }
    expect((await next({ mode: 'failover' }, 'failover')).failure).toBeNull()
    expect(at.site.object.touches).toBe(0)
  })

  test('by another run that does reach the site invalidates what was left there', async () => {
    const at = await left()
    await at.store.create('runs/r/plan.json', at.plan as never)
    const plan = {
      ...at.plan,
      id: 'q',
      nonce: 'q',
      epoch: 2,
      steps: at.plan.steps.filter(({ phase }) => phase === 'LOCK'),
    } as Plan
    expect((await at.process('begin', stopping(at.site), { run: 'q', plan })).failure).toBeNull()
    expect(at.site.object.touches).toBe(1)
  })
})

test('a silent third site does not delay a process that takes a run over; one that refuses does', async () => {
  const { store, clock, plan } = await deployed()
  const steps = [toyStep('application.stop@dc-c', 'PROTECT'), toyStep('application.stop@dc-b', 'PROTECT')] as const
  const taken = (step: (typeof steps)[number], fails: Error): Promise<void> => {
    const toy = toyDriver({ writer: null, effects: [] })
    const invalidate = (): Promise<void> => Promise.reject(fails)
    const drivers = {
      toy: liftedDriver({
        ...toy,
        behaviours: { ...toy.behaviours, stop: { ...stopping(versionedObject()), invalidate } },
      }),
    }
    const { context, signal } = toyWorld({ writer: null, effects: [] }, store, { clock })
    const left = [{ kind: 'intent', step: step.id, at: '2026-11-20T12:00:00Z' }] as never
    return invalidateWhatWasLeft(
      { store, run: 'r', plan: { ...plan, steps }, drivers, context, clock },
      left,
      'r',
      signal,
    )
  }
  const silent = siteError('site-unreachable', 'no answer', { retry: 'transient' })
  await expect(taken(steps[0], silent)).resolves.toBeUndefined()
  await expect(taken(steps[0], siteError('kubernetes-forbidden', 'a right is lacking'))).rejects.toMatchObject({
    code: 'kubernetes-forbidden',
  })
  await expect(taken(steps[1], silent)).rejects.toMatchObject({ code: 'site-unreachable' })
})

describe('an effect that was refused because its object has changed', () => {
  test('is tried again on what is there by then, after another look at the lock', async () => {
    const at = await deployed()
    const site = versionedObject()
    let others = 3
    const outcome = await at.process(
      'begin',
      stopping(site, async (what) => {
        // Its operator writes to it all the time.
        if (what === 'stop' && others-- > 0) site.object.version += 1
      }),
    )
    expect(outcome).toMatchObject({ verdict: 'moved', failure: null })
    expect(site.object).toMatchObject({ refused: 3, effects: ['stop'] })
  })

  test('is given up after a few times, with the true reason', async () => {
    const at = await deployed()
    const site = versionedObject()
    const outcome = await at.process(
      'begin',
      stopping(site, async (what) => {
        if (what === 'stop') site.object.version += 1
      }),
    )
    expect(outcome).toMatchObject({ verdict: 'undone', failure: { code: 'kubernetes-conflict' } })
    expect(site.object.effects).toEqual([])
  })
})

test('going forward a process may be amid what it intended, going back amid anything that was begun', () => {
  const steps = ['a', 'b', 'c', 'd', 'e'].map((id) => toyStep(`application.${id}`, 'DRAIN'))
  const [a, b, c, d] = steps.map(({ id }) => id)
  const record = new Map([
    [a, 'done'],
    [b, 'intent'],
    [c, 'was-done'],
    [d, 'undone'],
  ] as [string, 'done'][])
  const ids = (goingBack: boolean) => mayStillChange(steps, record, goingBack).map(({ id }) => id)
  expect(ids(false)).toEqual([b])
  expect(ids(true)).toEqual([a, b])
})
