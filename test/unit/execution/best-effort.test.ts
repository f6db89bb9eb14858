import { describe, expect, test } from '@jest/globals'
import type { Plan } from '../../../src/domain/plan.ts'
import type { FencingDeclaration } from '../../../src/domain/stack.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { givenUpIn } from '../../../src/evidence/recorded-steps.ts'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { readActive } from '../../../src/witness/active.ts'
import { type JournalEntry, openJournal } from '../../../src/witness/journal.ts'
import type { Behaviour } from '../../support/flat/behaviour.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { mortalProcess } from '../../support/mortal-process.ts'
import { INSTANTS_APART, instantsOfDeath } from '../../support/rounds.ts'
import { toyCode } from '../../support/toy-codes.ts'
import {
  continueToy,
  deployedToy,
  toyApproval,
  toyClock,
  toyDriver,
  toyStep,
  toyWorld,
} from '../../support/toy-stack.ts'

const POWER = 'application.switch-off'

interface Around {
  readonly power: Partial<Behaviour>
  readonly failover?: FencingDeclaration['failover']
  /** A step after the fence that fails. */
  readonly later?: () => Promise<void>
}

/** A failover from a silent site whose stack also has a power control, which behaves as given. */
async function approved({ power, failover = 'traffic', later }: Around) {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const own = toyDriver(toy)
  const driver: FlatDriver = {
    ...own,
    move: (component, states, intent, stack) => [
      ...(own.move?.(component, states, intent, stack) ?? []),
      ...(component.name === 'application'
        ? [
            toyStep(POWER, 'FENCE', { fence: 'power', deadline: 300 }),
            ...(later === undefined ? [] : [toyStep('application.sync', 'FINAL_SYNC')]),
          ]
        : []),
    ],
    behaviours: {
      ...own.behaviours,
      'switch-off': {
        done: async () => ({ is: 'pending', waitingFor: 'dc-a to be off' }),
        undo: async () => void toy.effects.push('undo switch-off'),
        ...power,
      },
      sync: { done: async () => ({ is: 'pending', waitingFor: 'sync' }), apply: async () => later?.() },
    },
  }
  const process = (signal?: AbortSignal) => {
    const world = toyWorld(toy, store, { clock, driver, silent: ['dc-a'], ...(signal === undefined ? {} : { signal }) })
    const stack = { ...world.stack, fencing: { ...world.stack.fencing, failover } }
    return { ...world, stack, context: { ...world.context, stack } }
  }
  const { plan, digest } = await planFailover(process(), { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 })
  const journal = async (run: string): Promise<readonly JournalEntry[]> => (await openJournal(store, run)).entries
  return { toy, store, process, plan, digest, journal }
}
const refused = { apply: async () => Promise.reject(siteError('power-control-failed', 'chassis not found')) }
const outcomeOf = (report: MoveReport, id = POWER): string | undefined =>
  report.steps.find((step) => step.id === id)?.outcome
const bestEffortOf = (plan: Plan): string[] =>
  plan.steps.flatMap(({ id, bestEffort }) => (bestEffort === undefined ? [] : [id]))

describe('a fence that the required level does not need', () => {
  test('does not stop a failover when it cannot be shut: the run says so, and claims no level that it has not reached', async () => {
    const at = await approved({ power: refused })
    expect(bestEffortOf(at.plan)).toEqual([POWER])
    const report = await executeFailover(at.process(), at.plan, toyApproval(at.digest))
    expect(report).toMatchObject({
      verdict: 'moved',
      failure: null,
      fence: { required: 'traffic', reached: ['traffic'] },
    })
    expect(outcomeOf(report)).toBe('given-up')
    expect(givenUpIn(await at.journal(report.run))).toEqual([
      { step: POWER, why: 'chassis not found (power-control-failed)' },
    ])
    expect(await at.store.getText(report.evidence ?? '')).toContain(
      'given up: chassis not found (power-control-failed)',
    )
  })

  test('is waited for as long as it is worth, and no longer', async () => {
    const at = await approved({ power: {} })
    const report = await executeFailover(at.process(), at.plan, toyApproval(at.digest))
    expect(report.verdict).toBe('moved')
    expect(givenUpIn(await at.journal(report.run))[0]?.why).toMatch(/waiting for: dc-a to be off \(step-timeout\)/)
  })

  test('counts when it is shut', async () => {
    const at = await approved({ power: { done: async () => ({ is: 'done', proof: { off: true } }) } })
    const report = await executeFailover(at.process(), at.plan, toyApproval(at.digest))
    expect(report).toMatchObject({ verdict: 'moved', fence: { reached: ['traffic', 'power'] } })
  })

  test('is taken back with the others when the run turns back: its effect may have happened', async () => {
    const at = await approved({
      power: refused,
      later: async () => Promise.reject(siteError(toyCode['disk-full'], 'no space')),
    })
    const report = await executeFailover(at.process(), at.plan, toyApproval(at.digest))
    expect(report).toMatchObject({ verdict: 'undone', failure: { code: 'disk-full' } })
    expect(outcomeOf(report)).toBe('undone')
    expect(at.toy.effects).toContain('undo switch-off')
  })

  test('is tried again by a resume of a run that was interrupted before it was given up, and never afterwards', async () => {
    let tries = 0
    const cancelled = new AbortController()
    const at = await approved({
      power: {
        apply: async () => {
          tries += 1
          if (tries === 1) cancelled.abort(siteError('cancelled', 'a person pressed Ctrl+C'))
          throw siteError('power-control-failed', 'chassis not found')
        },
      },
    })
    const first = await executeFailover(at.process(cancelled.signal), at.plan, toyApproval(at.digest)).catch(() => null)
    const run = first?.run ?? (await at.store.list('runs/'))[0]?.split('/')[1] ?? ''
    expect(givenUpIn(await at.journal(run))).toEqual([])
    const second = await continueToy(at.process(), run, 'resume')
    expect(second.verdict).toBe('moved')
    expect(tries).toBe(2)
  })

  test('leaves a run that is resumed to the same end, wherever its process died', async () => {
    let resumed = 0
    for (const diesAt of instantsOfDeath()) {
      const at = await approved({ power: refused })
      const mortal = mortalProcess(at.process(), diesAt)
      const ended = executeFailover(mortal.world, at.plan, toyApproval(at.digest)).then(() => 'ended' as const)
      if ((await Promise.race([mortal.died, ended])) === 'ended') break
      const run = (await at.store.list('runs/')).find((key) => key.endsWith('/approval.json'))?.split('/')[1]
      if (
        run === undefined ||
        (await at.journal(run)).length === 0 ||
        (await at.journal(run)).some(({ kind }) => kind === 'ended')
      )
        continue
      const report = await continueToy(at.process(), run, 'resume')
      expect(report.verdict).toBe('moved')
      expect(givenUpIn(await at.journal(run))).toHaveLength(1)
      expect((await readActive(at.store))?.record.activeSite).toBe('dc-b')
      resumed += 1
    }
    expect(resumed).toBeGreaterThan(30 / INSTANTS_APART)
  })
})

test('a fence that the required level needs stops the failover, and nothing is promoted', async () => {
  const at = await approved({ power: refused, failover: 'power' })
  expect(bestEffortOf(at.plan)).toEqual([])
  const report = await executeFailover(at.process(), at.plan, toyApproval(at.digest))
  expect(report).toMatchObject({ verdict: 'undone', failure: { code: 'power-control-failed' } })
  expect(at.toy.effects).not.toContain('promote')
})
