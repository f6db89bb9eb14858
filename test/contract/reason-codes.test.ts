import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { allReasonCodes, reasonCodeMeanings } from '../../scripts/all-reason-codes.ts'

const root = join(import.meta.dirname, '..', '..')
/** File below src → text, without the list of the core's codes. */
const sources = new Map(
  readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== join('errors', 'reason-codes.ts'))
    .map((name) => [name, readFileSync(join(root, 'src', name), 'utf8')]),
)
const occurrences = (pattern: string): number =>
  [...sources.values()].reduce((sum, text) => sum + text.split(pattern).length - 1, 0)
/** The beginnings of the codes that the sources put together, as in `deploy-${verdict}`. */
const prefixes = [...sources.values()].flatMap((text) =>
  Array.from(text.matchAll(/`([a-z]+-)\$\{/g), ([, prefix = '']) => prefix),
)

// That every code which is used is listed is a matter of types: `AnyReasonCode`.
test('every listed code is used: the list makes no promise that nothing keeps', () => {
  const declared = new Set(declaredInSources().flatMap(({ codes }) => codes))
  const unused = [...reasonCodeMeanings().keys()].filter(
    (code) =>
      occurrences(`'${code}'`) < (declared.has(code) ? 2 : 1) && !prefixes.some((prefix) => code.startsWith(prefix)),
  )
  expect(unused).toEqual([])
})

test('no code is listed in two areas, and each is kebab-case', () => {
  const codes = [...allReasonCodes().values()].flatMap((area) => [...area.keys()])
  expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([])
  for (const code of codes) expect(code).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/)
})

test('every code that a module of the sources declares is on the page, so its driver is in the registry with it', () => {
  const known = reasonCodeMeanings()
  const declared = declaredInSources()
  expect(declared.length).toBeGreaterThan(0)
  expect(
    declared.flatMap(({ file, codes }) => codes.filter((code) => !known.has(code)).map((code) => `${file} ${code}`)),
  ).toEqual([])
})

/** What is written between `declareCodes(` and the end of its table. */
function declaredInSources(): readonly { readonly file: string; readonly codes: readonly string[] }[] {
  return Array.from(sources).flatMap(([file, text]) => {
    const table = /= declareCodes\([^{]*\{([\s\S]*?)\n\}\)/.exec(text)?.[1]
    if (table === undefined) return []
    return [{ file, codes: Array.from(table.matchAll(/^ {2}'?([a-z][a-z0-9-]*)'?:/gm), ([, code = '']) => code) }]
  })
}
