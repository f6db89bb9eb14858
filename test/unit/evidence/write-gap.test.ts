import { describe, expect, test } from '@jest/globals'
import { StandbyError } from '../../../src/errors/standby-error.ts'
import { newestBodies } from '../../../src/evidence/keep-evidence.ts'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { moveSummary } from '../../../src/reporting/move-summary.ts'
import { moveText } from '../../../src/reporting/terminal.ts'
import type { Behaviour } from '../../support/flat/behaviour.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { schemaErrors } from '../../support/published-schemas.ts'
import {
  continueToy,
  deployedToy,
  type ToyWorld,
  toyApproval,
  toyClock,
  toyDriver,
  toyStep,
  toyWorld,
} from '../../support/toy-stack.ts'

type ToyClock = ReturnType<typeof toyClock>

/** A switchover with doors: to close them takes 400 ms, to demote 3 s, to promote 9 s, to open them 500 ms. */
function withDoors(toy: ToyWorld, clock: ToyClock, demote: () => void = () => undefined): FlatDriver {
  const own = toyDriver(toy)
  const door = (action: string, ms: number): Behaviour => ({
    done: async () =>
      toy.effects.includes(action) ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: action },
    async apply() {
      clock.pass(ms)
      toy.effects.push(action)
    },
    async undo() {
      clock.pass(ms)
      toy.effects.push(`undo ${action}`)
    },
  })
  const slow = (action: string, ms: number, before: () => void = () => undefined): Behaviour => ({
    ...(own.behaviours[action] as Behaviour),
    async apply(step) {
      before()
      clock.pass(ms)
      await own.behaviours[action]?.apply?.(step)
    },
  })
  return {
    ...own,
    behaviours: {
      ...own.behaviours,
      close: door('close', 400),
      open: door('open', 500),
      demote: slow('demote', 3_000, demote),
      promote: slow('promote', 9_000),
    },
    move: (component, ...of) => {
      const [, intent] = of
      const steps = own.move?.(component, ...of) ?? []
      if (component.name !== 'application') return steps
      return [
        toyStep('application.close', 'DRAIN', { fence: 'traffic' }),
        ...steps,
        toyStep(`application.open@${intent.to}`, 'TRAFFIC'),
      ]
    },
  }
}

/** A runner that is killed while it demotes, and the process that comes a quarter of an hour later. */
async function continued(how: 'resume' | 'abort') {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const { plan, digest } = await planFailover(toyWorld(toy, store, { clock, driver: withDoors(toy, clock) }), {
    mode: 'switchover',
    to: 'dc-b',
  })
  const stopping = new AbortController()
  const killed = new StandbyError({ code: 'cancelled', mustAct: 'cancelled', what: 'the run was cancelled' })
  const dying = withDoors(toy, clock, () => {
    stopping.abort(killed)
    throw killed
  })
  const first = await executeFailover(
    toyWorld(toy, store, { clock, driver: dying, signal: stopping.signal }),
    plan,
    toyApproval(digest),
  )
  clock.pass(15 * 60_000)
  const world = toyWorld(toy, store, { clock, driver: withDoors(toy, clock) })
  const second = await continueToy(world, null, how)
  expect(schemaErrors('result.schema.json#/$defs/move', second)).toEqual([])
  const body = (await newestBodies(store, 2)).at(-1)
  expect(schemaErrors('evidence.schema.json', body)).toEqual([])
  return { first, second, body }
}
const texts = (report: MoveReport): string[] => [moveSummary(report), moveText(report, { colour: false })]
const whole = 400 + 15 * 60_000 + 3_000 + 9_000 + 500

describe('of a run that a second process brought to its end', () => {
  test('writes were refused from the door that the first one closed, in report, record and texts', async () => {
    const { first, second, body } = await continued('resume')
    expect(first.writeGap).toBeNull()
    expect(second).toMatchObject({ verdict: 'moved', processes: 2, writeGap: whole })
    expect(body?.writeGap).toBe(whole)
    for (const text of texts(second)) {
      expect(text).toContain('writes refused for 15 min 13 s')
      expect(text).toContain('this process: 12.5 s')
    }
  })

  test('what the first one did stands with its times in table and picture', async () => {
    const { second } = await continued('resume')
    expect(second.steps.find(({ id }) => id === 'application.close')).toMatchObject({
      outcome: 'done',
      begunAt: expect.any(String),
    })
    const [summary, text] = texts(second)
    expect(summary).toMatch(/\| DRAIN \| application\.close \| 400 ms \|/)
    expect(summary).toMatch(/section DRAIN\n +application\.close :/)
    expect(text).toMatch(/done +DRAIN +application\.close +400 ms/)
    expect(second.phases.map(({ phase }) => phase)).toContain('DRAIN')
  })
})

test('of a run that was taken back, writes were refused until the doors were open again', async () => {
  const { second } = await continued('abort')
  expect(second).toMatchObject({ verdict: 'undone', writeGap: 400 + 15 * 60_000 + 400 })
})
