import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { PHASES, type PlannedStep } from '../../../src/domain/plan.ts'
import { orderProblems, readySteps, schedule, sequenceOf } from '../../../src/planning/order-steps.ts'
import { toyStep } from '../../support/toy-stack.ts'

const rank = (step: PlannedStep): number => PHASES.indexOf(step.phase)

/** Any set of steps whose needs point to steps before them. */
const anySteps = fc
  .array(
    fc.record({
      phase: fc.nat(PHASES.length - 1),
      early: fc.option(fc.nat(PHASES.length - 1)),
      needs: fc.array(fc.nat(8), { maxLength: 3 }),
    }),
    {
      minLength: 1,
      maxLength: 9,
    },
  )
  .map((drafts) => {
    const steps: PlannedStep[] = []
    drafts.forEach((draft, index) => {
      const phase = PHASES[draft.phase] ?? 'LOCK'
      const needs = draft.needs.flatMap((need) => {
        const before = steps[need]
        return need < index && before !== undefined && rank(before) <= draft.phase ? [before.id] : []
      })
      const mayBeginIn = draft.early !== null && draft.early <= draft.phase ? PHASES[draft.early] : undefined
      steps.push(toyStep(`s.${index}`, phase, { needs, ...(mayBeginIn === undefined ? {} : { mayBeginIn }) }))
    })
    return steps
  })

describe('the order of steps', () => {
  test('every step comes after what it needs and after every earlier phase, whatever the steps', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        fc.pre(orderProblems(steps).length === 0)
        const sequence = sequenceOf(steps)
        const position = new Map(sequence.map((step, index) => [step.id, index]))
        for (const step of steps) {
          for (const need of step.needs) expect(position.get(need)).toBeLessThan(position.get(step.id) ?? -1)
          const earliest = PHASES.indexOf(step.mayBeginIn ?? step.phase)
          for (const other of steps)
            if (rank(other) < earliest) expect(position.get(other.id)).toBeLessThan(position.get(step.id) ?? -1)
        }
      }),
    )
  })

  test('a step that may begin early runs beside the earlier phase, and does not hold it up', () => {
    const steps = [
      toyStep('a.sync', 'FINAL_SYNC'),
      toyStep('a.restore', 'RESTORE_AUX', { mayBeginIn: 'FINAL_SYNC' }),
      toyStep('a.promote', 'PROMOTE'),
    ]
    expect(readySteps(steps, new Set(), new Set()).map((step) => step.id)).toEqual(['a.sync', 'a.restore'])
    expect(readySteps(steps, new Set(['a.sync']), new Set(['a.restore'])).map((step) => step.id)).toEqual(['a.promote'])
  })

  test('a plan in which steps wait for each other, for nothing, or for the future is a defect that is named', () => {
    expect(
      orderProblems([toyStep('a.x', 'START', { needs: ['a.y'] }), toyStep('a.y', 'START', { needs: ['a.x'] })]),
    ).toEqual(['these steps wait for each other: a.x, a.y'])
    expect(orderProblems([toyStep('a.x', 'START', { needs: ['a.z'] })])[0]).toContain('not in the plan')
    expect(orderProblems([toyStep('a.x', 'START', { needs: ['a.y'] }), toyStep('a.y', 'GREEN')])[0]).toContain(
      'later phase',
    )
    expect(orderProblems([toyStep('a.x', 'PROMOTE', { mayBeginIn: 'FENCE', irreversible: true })])[0]).toContain(
      'irreversible',
    )
    expect(orderProblems([toyStep('a.x', 'START'), toyStep('a.x', 'GREEN')])[0]).toContain('share one id')
  })

  test('parallel steps cost the time of the longest, consecutive steps the sum', () => {
    const times = schedule([
      toyStep('a.x', 'FENCE', { expected: 3_000 }),
      toyStep('b.x', 'FENCE', { expected: 1_000 }),
      toyStep('a.y', 'PROMOTE', { expected: 2_000 }),
    ])
    expect(times.get('a.y')).toEqual({ begins: 3_000, ends: 5_000 })
  })
})
