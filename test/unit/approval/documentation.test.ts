import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { REASON_CODES } from '../../../src/reason-codes.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/github.md'), 'utf8')
const named = new Set([...page.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map((match) => match[1]))

test('docs/github.md tells of every reason against an approval', () => {
  const untold = Object.keys(REASON_CODES['Reviewers on GitHub']).filter((code) => !named.has(code))
  expect(untold).toEqual([])
})

test('and tells of no reason that there is not', () => {
  const known = Object.values(REASON_CODES).flatMap((area) => Object.keys(area))
  const table = page.slice(page.indexOf('| what must be true'), page.indexOf('## 6.'))
  const told = [...table.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map((match) => match[1] ?? '')
  expect(told.filter((code) => !known.includes(code))).toEqual([])
})
