import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { reasonCodesPage } from '../../scripts/reason-codes-page.ts'
import { vantagePointsPage } from '../../scripts/vantage-points-page.ts'
import { REASON_CODE_MEANINGS, REASON_CODES } from '../../src/errors/reason-codes.ts'
import { reasonCodesIn } from '../support/reason-codes-in-source.ts'

const root = join(import.meta.dirname, '..', '..')
const used = reasonCodesIn(join(root, 'src'))
const patterns = [...used.keys()].filter((code) => code.endsWith('*')).map((code) => code.slice(0, -1))

test('every code that the sources can end with is listed with its meaning in src/reason-codes.ts', () => {
  const unlisted = [...used].filter(([code]) => !code.endsWith('*') && !REASON_CODE_MEANINGS.has(code))
  expect(Object.fromEntries(unlisted)).toEqual({})
})

test('every listed code is really used: the list makes no promise that nothing keeps', () => {
  const unused = [...REASON_CODE_MEANINGS.keys()].filter(
    (code) => !used.has(code) && !patterns.some((prefix) => code.startsWith(prefix)),
  )
  expect(unused).toEqual([])
})

test('no code is listed twice, and each is kebab-case', () => {
  const codes = Object.values(REASON_CODES).flatMap((area) => Object.keys(area))
  expect(new Set(codes).size).toBe(codes.length)
  for (const code of codes) expect(code).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
})

test('docs/reason-codes.md is what the list says', () => {
  // Differs? node scripts/write-generated-docs.ts
  expect(readFileSync(join(root, 'docs', 'reason-codes.md'), 'utf8')).toBe(reasonCodesPage())
})

test('docs/vantage-points.md is what the table of causes says', () => {
  expect(readFileSync(join(root, 'docs', 'vantage-points.md'), 'utf8')).toBe(vantagePointsPage())
})
