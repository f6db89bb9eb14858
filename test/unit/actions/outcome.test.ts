import { expect, test } from '@jest/globals'
import { rendered, resultText } from '../../../src/actions/outcome.ts'
import { StandbyError } from '../../../src/errors.ts'

test('an error is shown with its code first, then what, where and what to do next', () => {
  const error = new StandbyError({ code: 'site-silent', mustAct: 'site', what: 'dc-b does not answer', where: 'dc-b', next: 'Look at it.' })
  expect(rendered(error)).toBe('site-silent: dc-b does not answer\n  where: dc-b\n  next:  Look at it.')
  expect(rendered(new StandbyError({ code: 'moved', mustAct: 'input', what: 'x' }))).toBe('moved: x')
})

test('a result carries its schema version, and one that GitHub would drop says so instead of taking the other outputs with it', () => {
  expect(JSON.parse(resultText({ a: 1 }))).toEqual({ schemaVersion: 1, a: 1 })
  const large = resultText({ a: 'x'.repeat(500_000) })
  expect(large.length).toBeLessThan(1_000)
  expect(JSON.parse(large)).toEqual({ schemaVersion: 1, tooLarge: { characters: expect.any(Number), limit: 400_000 } })
})
