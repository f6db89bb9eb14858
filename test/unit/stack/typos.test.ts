import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isScalar, parseDocument, visit } from 'yaml'
import { problemsOf, publishedStacks, textOfStack } from '../../support/published-stacks.ts'
import { rounds } from '../../support/rounds.ts'

interface Key {
  readonly name: string
  readonly offset: number
  /** Keys beside it, which a typo must not become. */
  readonly beside: readonly string[]
}

/**
 * All keys of a stack file that Standby reads: not the names that the file itself gives, and not the environment of an
 * application.
 */
function keysOf(text: string): Key[] {
  const document = parseDocument(text)
  const environment = ['components', 'application', 'restoreTest', 'environment']
  const given: unknown[] = [
    document.get('sites', true),
    document.get('components', true),
    document.getIn(environment, true),
  ]
  const keys: Key[] = []
  visit(document, {
    Map(_, map) {
      if (given.includes(map)) return
      const names = map.items.map((item) => (isScalar(item.key) ? String(item.key.value) : ''))
      for (const { key } of map.items)
        if (isScalar(key)) keys.push({ name: String(key.value), offset: key.range?.[0] ?? 0, beside: names })
    },
  })
  return keys
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.split('')
type Slip = (name: string, at: number, letter: string) => string
const slips: readonly Slip[] = [
  (name, at, letter) => name.slice(0, at) + letter + name.slice(at + 1),
  (name, at, letter) => name.slice(0, at) + letter + name.slice(at),
  (name, at) => name.slice(0, at) + name.slice(at + 1),
  (name, at) => name.slice(0, at) + (name[at + 1] ?? '') + (name[at] ?? '') + name.slice(at + 2),
]

test.each(publishedStacks)(
  'in %s, a mistyped key is reported with the key that was meant, for each key and each kind of typing error',
  (name) => {
    const text = textOfStack(name)
    const keys = keysOf(text)
    expect(keys.length).toBeGreaterThan(100)
    const typo = fc.record({
      key: fc.constantFrom(...keys),
      slip: fc.constantFrom(...slips),
      letter: fc.constantFrom(...LETTERS),
      position: fc.nat({ max: 30 }),
    })
    fc.assert(
      fc.property(typo, ({ key, slip, letter, position }) => {
        const mistyped = slip(key.name, position % key.name.length, letter)
        fc.pre(mistyped !== '' && !key.beside.includes(mistyped) && !/^[-\d]+$/.test(mistyped))
        const broken = text.slice(0, key.offset) + mistyped + text.slice(key.offset + key.name.length)
        const told = problemsOf(broken).filter((problem) => problem.path.split('.').at(-1) === mistyped)
        expect(told.map((problem) => problem.suggestion)).toEqual([key.name])
      }),
      { numRuns: rounds(300) },
    )
  },
)
