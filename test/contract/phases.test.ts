import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { PHASES } from '../../src/domain/plan.ts'
import { isObject } from '../../src/values/json.ts'

const root = join(import.meta.dirname, '..', '..')

/** Every list of values in a schema that names a phase. */
function listsOfPhases(part: unknown): unknown[][] {
  if (Array.isArray(part)) return part.some((value) => value === 'LOCK') ? [part] : part.flatMap(listsOfPhases)
  return isObject(part) ? Object.values(part).flatMap(listsOfPhases) : []
}

test.each(['plan', 'result'])('schema/%s.schema.json knows the phases of the code, in their order', (name) => {
  const lists = listsOfPhases(JSON.parse(readFileSync(join(root, 'schema', `${name}.schema.json`), 'utf8')))
  expect(lists.length).toBeGreaterThan(1)
  for (const list of lists) expect(list).toEqual([...PHASES])
})

test('docs/architecture.md names the phases in their order', () => {
  const text = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
  const drawn = /^PREFLIGHT →[^`]*/m.exec(text)?.[0].match(/[A-Z_]{4,}/g)
  expect(drawn).toEqual([...PHASES])
})
