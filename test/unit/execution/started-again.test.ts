import { expect, test } from '@jest/globals'
import type { Progress } from '../../../src/domain/progress.ts'
import { executeMove, type MoveRun } from '../../../src/execution/execute-move.ts'
import { progressTo } from '../../../src/execution/progress.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { deployedToy, toyClock, toyDriver, toyStep, toyWorld } from '../../support/toy-stack.ts'

/** A move whose doors open only where its application runs. */
async function moving() {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const sites = { started: false, open: false }
  const effects: string[] = []
  const own = toyDriver(toy)
  const seen = (holds: boolean, waitingFor: string): Progress =>
    holds ? { is: 'done', proof: {} } : { is: 'pending', waitingFor }
  const driver: FlatDriver = {
    ...own,
    move: (component, states, intent, stack) => [
      ...(own.move?.(component, states, intent, stack) ?? []).filter(
        ({ phase }) => component.name === 'database' || phase === 'START',
      ),
      ...(component.name === 'application' ? [toyStep('application.open', 'TRAFFIC')] : []),
    ],
    behaviours: {
      ...own.behaviours,
      start: {
        done: async () => seen(sites.started, 'the application'),
        apply: async () => {
          effects.push('start')
          sites.started = true
        },
      },
      open: {
        done: async () =>
          sites.open && !sites.started
            ? { is: 'failed', code: 'step-timeout', why: 'nobody answers' }
            : seen(sites.open, 'the doors'),
        apply: async () => {
          effects.push('open')
          sites.open = true
        },
      },
    },
  }
  const world = toyWorld(toy, store, { driver, clock })
  const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
  const perform = (how: MoveRun['how']) =>
    executeMove({
      plan,
      digest,
      run: 'r1',
      how,
      store,
      drivers: world.drivers,
      context: { ...world.context },
      clock,
      progress: progressTo(world.log, clock, () => undefined),
      signal: world.signal,
    })
  return { sites, effects, driver, perform, clock }
}

test('a process that continues a run starts again what another controller has stopped, before users are let in', async () => {
  const at = await moving()
  const { start } = at.driver.behaviours
  if (start === undefined) throw new Error('no start')
  const { done } = start
  // Scaled to nothing as soon as it was seen to run, as it stands in a Git repository.
  Object.assign(start, {
    done: async (run: Parameters<typeof done>[0]) => {
      const progress = await done(run)
      at.sites.started = false
      return progress
    },
  })
  expect(await at.perform('begin')).toMatchObject({ verdict: 'stopped', failure: { code: 'step-timeout' } })
  // It is paused.
  Object.assign(start, { done })
  at.clock.pass(60_000)
  expect(await at.perform('resume')).toMatchObject({ verdict: 'moved', failure: null })
  expect(at.effects.filter((effect) => effect === 'start')).toHaveLength(2)
  expect(at.sites).toEqual({ started: true, open: true })
})
