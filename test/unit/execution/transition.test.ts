import { describe, expect, test } from '@jest/globals'
import { isGated } from '../../../src/execution/gates.ts'
import type { Course, RunState } from '../../../src/execution/run-state.ts'
import { advance, beginRun, commandsOf } from '../../../src/execution/transition.ts'
import { toyStep } from '../../support/toy-stack.ts'

/** Two steps of one component in one phase, of which the second one needs the first one. */
const course: Course = {
  steps: [
    toyStep('witness.lock', 'LOCK'),
    toyStep('database.close@dc-a', 'DRAIN'),
    toyStep('database.demote@dc-a', 'DRAIN', { needs: ['database.close@dc-a'] }),
    toyStep('witness.activate@dc-b', 'PROMOTE', { irreversible: true }),
  ],
  lock: 'witness.lock',
  stopsOthers: true,
  pointOfNoReturn: 'witness.activate@dc-b',
  required: null,
  ofSilentSite: null,
  lost: null,
}

const state = (steps: RunState['steps'], more: Partial<RunState> = {}): RunState => ({
  ...beginRun(course, { onRecord: new Map(), turnedBack: false, continued: false }),
  steps,
  ...more,
})

const DRAINED: RunState['steps'] = {
  'witness.lock': 'done',
  'database.close@dc-a': 'done',
  'database.demote@dc-a': 'done',
  'witness.activate@dc-b': 'todo',
}

describe('what a run does next', () => {
  test('a process whose lock is lost ends, and neither goes on nor takes anything back', () => {
    for (const direction of ['forward', 'back'] as const)
      expect(commandsOf(course, state(DRAINED, { direction, failed: true, lost: true }))).toEqual([
        { do: 'end', verdict: 'stopped' },
      ])
  })

  test('a run that has ended does nothing more', () => {
    for (const direction of ['forward', 'back'] as const)
      expect(commandsOf(course, state(DRAINED, { direction, ended: true }))).toEqual([])
  })

  test('the way back takes back last first what stands in one phase of one component', () => {
    const back = state(DRAINED, { direction: 'back', failed: true })
    expect(commandsOf(course, back)).toEqual([{ do: 'assert-ours', step: 'database.demote@dc-a' }])
    const first = advance(course, back, { is: 'cleared', step: 'database.demote@dc-a' })
    const taken = advance(course, first, { is: 'taken-back', step: 'database.demote@dc-a' })
    const undone = advance(course, taken, { is: 'undone-recorded', step: 'database.demote@dc-a' })
    expect(commandsOf(course, undone)).toEqual([{ do: 'assert-ours', step: 'database.close@dc-a' }])
  })

  test('the way back asks first whether the point of no return was passed, and ends where that is unknown', () => {
    const unsure = { ...DRAINED, 'witness.activate@dc-b': 'unsure' as const }
    const back = state(unsure, { direction: 'back', failed: true })
    expect(commandsOf(course, back)).toEqual([{ do: 'assert-ours', step: 'witness.activate@dc-b' }])
    const stuck = state({ ...DRAINED, 'witness.activate@dc-b': 'stuck' }, { direction: 'back', failed: true })
    expect(commandsOf(course, stuck)).toEqual([{ do: 'end', verdict: 'stopped' }])
  })

  test('an effect is tried after a look at the lock, and a result is recorded after it was seen', () => {
    const drained = { ...DRAINED, 'database.demote@dc-a': 'missing' as const }
    const missing = state(drained)
    expect(commandsOf(course, missing)).toEqual([{ do: 'assert-ours', step: 'database.demote@dc-a' }])
    const cleared = advance(course, missing, { is: 'cleared', step: 'database.demote@dc-a' })
    expect(commandsOf(course, cleared)).toEqual([{ do: 'apply', step: 'database.demote@dc-a' }])
    const applied = advance(course, cleared, { is: 'applied', step: 'database.demote@dc-a' })
    expect(commandsOf(course, applied)).toEqual([{ do: 'observe', step: 'database.demote@dc-a' }])
  })

  test.each(['unsure', 'intended', 'missing', 'cleared', 'applied', 'holds', 'done', 'failed'] as const)(
    'the way back takes back what is %s, for its effect may have happened',
    (recorded) => {
      const back = state({ ...DRAINED, 'database.demote@dc-a': recorded }, { direction: 'back', failed: true })
      expect(commandsOf(course, back)).toEqual([{ do: 'assert-ours', step: 'database.demote@dc-a' }])
    },
  )

  test.each(['todo', 'was-done', 'undone'] as const)('the way back leaves what is %s as it is', (recorded) => {
    const back = state({ ...DRAINED, 'database.demote@dc-a': recorded }, { direction: 'back', failed: true })
    expect(commandsOf(course, back)).toEqual([{ do: 'assert-ours', step: 'database.close@dc-a' }])
  })
})

describe('which steps wait for a fence', () => {
  const never = (): boolean => false

  test('every irreversible step does, whatever its phase, but a fence itself', () => {
    const final = toyStep('database.delete@dc-a', 'FINAL_SYNC', { irreversible: true })
    const power = toyStep('power.switch-off', 'FENCE', { irreversible: true, fence: 'power' })
    const own: Course = { ...course, steps: [...course.steps, final, power] }
    expect(isGated(own, final, never)).toBe(true)
    expect(isGated(own, power, never)).toBe(false)
    expect(isGated(own, toyStep('database.close@dc-a', 'DRAIN'), never)).toBe(false)
  })
})
