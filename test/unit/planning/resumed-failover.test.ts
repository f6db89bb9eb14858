import { expect, test } from '@jest/globals'
import type { Plan } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { resumedFailoverFindings } from '../../../src/planning/resumed-failover.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { toyDriver, toyStack, toyStep } from '../../support/toy-stack.ts'

const intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName, acceptLoss: 60_000 } as const
const steps = [
  toyStep('application.close', 'DRAIN', { fence: 'traffic' }),
  toyStep('database.demote@dc-a', 'FENCE', { fence: 'database', bestEffort: 30_000 }),
]
const up = { kind: 'answering', identity: 'uid-dc-a', version: 'v1.34', latency: 1 } as const
const lost = { kind: 'silent', why: 'no answer', cause: 'no-answer', triedFrom: ['this runner'] } as const

function codes(
  site: Observation['sites'][string],
  done: readonly string[],
  { mode }: Pick<Plan['intent'], 'mode'> = intent,
): string[] {
  const observation: Observation = {
    at: '',
    witness: { kind: 'silent', why: '' },
    sites: { 'dc-a': site },
    components: {},
  }
  const drivers = { toy: liftedDriver(toyDriver({ writer: null, effects: [] })) }
  const plan = {
    intent: { ...intent, mode },
    steps,
    fencing: { required: 'traffic', planned: ['traffic', 'database'] },
  } as unknown as Plan
  return resumedFailoverFindings(toyStack, observation, plan, drivers, (step) => done.includes(step)).map(
    ({ code }) => code,
  )
}

test('a fence that the run may go on without is none against a site that has come back, until it is shut', () => {
  expect(codes(lost, [])).toEqual([])
  expect(codes(up, [])).toEqual(['fence-too-low'])
  expect(codes(up, ['application.close'])).toEqual(['fence-too-low'])
  expect(codes(up, ['database.demote@dc-a'])).toEqual([])
})

test('a follow that is resumed is judged as the failover that it completes', () => {
  expect(codes(lost, [], { mode: 'follow' })).toEqual([])
  expect(codes(up, [], { mode: 'follow' })).toEqual(['fence-too-low'])
  expect(codes(up, ['database.demote@dc-a'], { mode: 'follow' })).toEqual([])
})
