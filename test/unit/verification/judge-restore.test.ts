import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Check } from '../../../src/domain/restore-test.ts'
import { verdictOf } from '../../../src/verification/judge-restore.ts'

const check = (outcome: Check['outcome']): Check => ({
  id: 'x',
  component: 'database',
  outcome,
  expected: '',
  found: '',
})
const outcomes = fc.array(fc.constantFrom<Check['outcome']>('pass', 'fail', 'objective-missed', 'inconclusive'))

test('restorable means that every check passed, and that there was one', () => {
  fc.assert(
    fc.property(outcomes, (list) => {
      expect(verdictOf(list.map(check)) === 'restorable').toBe(
        list.length > 0 && list.every((outcome) => outcome === 'pass'),
      )
    }),
  )
})

test('one failed check is never hidden by anything else', () => {
  fc.assert(
    fc.property(outcomes, (list) => expect(verdictOf([...list, 'fail' as const].map(check))).toBe('not-restorable')),
  )
})

test('a restore that works and misses an objective is degraded', () => {
  expect(verdictOf([check('pass'), check('objective-missed')])).toBe('degraded')
})

test('our own trouble is never green', () => {
  expect(verdictOf([check('pass'), check('inconclusive')])).toBe('inconclusive')
  expect(verdictOf([])).toBe('inconclusive')
})
