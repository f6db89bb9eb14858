import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { StandbyError } from '../../../src/errors/standby-error.ts'
import { parseStack } from '../../../src/stack/load-stack.ts'
import { anyText } from '../../support/any-text.ts'
import { leastProcessorTime } from '../../support/processor-time.ts'
import { kinds, problemsOf, refusalOf, textOfStack } from '../../support/published-stacks.ts'
import { rounds } from '../../support/rounds.ts'

const MIB = 1024 * 1024
const filled = (unit: string, bytes = MIB): string => unit.repeat(Math.floor(bytes / unit.length))
const numbered = (line: (index: number) => string, bytes = MIB): string => {
  const lines: string[] = []
  for (let size = 0, index = 0; size < bytes - 64; index++) {
    const next = line(index)
    lines.push(next)
    size += next.length
  }
  return lines.join('')
}

describe('a file that would keep a parser busy', () => {
  const laughs = Array.from(
    { length: 12 },
    (_, level) => `l${level + 1}: &l${level + 1} [${filled(`*l${level}, `, 60)}1]\n`,
  ).join('')
  test.each([
    ['a thousand million laughs', `l0: &l0 ha\n${laughs}`],
    ['brackets that are never closed', filled('[')],
    ['brackets that were never opened', filled(']')],
    ['braces', filled('{')],
    ['brackets in a text', `a: "${filled('[')}"`],
    ['pairs of brackets', `a: [${filled('[],')}`],
    ['pairs of brackets, fewer than the limit', `a: [${filled('[],', 19_000)}`],
    ['broken lines, fewer than the limit', filled('a: b: c\n', 20_000)],
    ['tags, fewer than the limit', filled('!!str ', 50_000)],
    ['lists in lists', filled('- ')],
    ['deep indentation', numbered((index) => `${' '.repeat(index)}a:\n`)],
    ['documents', filled('---\n')],
    ['keys', numbered((index) => `k${index}:\n`)],
    ['keys, fewer than the limit', numbered((index) => `k${index}: 1\n`, 60_000)],
    ['the same key', filled('a:\n', 20_000)],
    ['components', `components:\n${numbered((index) => `  c${index}: {driver: x}\n`, 60_000)}`],
    ['escapes', `a: "${filled('\\x')}`],
    ['aliases', `a: &a b\nx:\n${filled('- *a\n')}`],
    ['one very long key', `${filled('k')}: 1\n`],
    ['one very long value', `name: ${filled('k')}\n`],
    ['comments', filled('#\n')],
    ['two mebibytes', filled('# comment\n', 2 * MIB)],
  ])('%s: refused within a second', (_, text) => {
    const refusal = refusalOf(text)
    expect(refusal?.code).toBe('stack-invalid')
    expect(refusal?.message.length).toBeLessThan(60_000)
    expect(leastProcessorTime(() => refusalOf(text), 1_000)).toBeLessThan(1_000)
  })
})

describe('YAML that means something else than it seems', () => {
  test.each([
    ['a duplicate key', 'name: a\nname: b\n', 'the key name is here twice', 2, 1],
    ['a second document', 'name: a\n---\nname: b\n', 'the file holds more than one document', 2, 1],
    ['a tag of its own', 'name: !secret a\n', 'a tag is not allowed', 1, 7],
    ['an alias', 'a: &x 1\nb: *x\n', 'anchors and aliases are not allowed', 2, 4],
    ['a key that is no text', '? [a]\n: b\n', 'a key must be plain text', 1, 3],
    ['not a number', 'a: .nan\n', '.nan is not a number that JSON knows', 1, 4],
    ['a list', '- a\n', 'the file must be a mapping', 1, 1],
    ['a bracket too many', 'a: [1]]\nb: 1\n', 'YAML does not expect', 1, 7],
    ['a tab for indentation', 'a:\n\tb: 1\n', 'tabs do not indent', 2, 1],
  ])('%s is refused with its place', (_, text, what, line, column) => {
    const [problem] = problemsOf(text)
    expect(problem).toMatchObject({ line, column })
    expect(problem?.what).toContain(what)
  })

  test('an empty file is reported as empty', () => {
    expect(problemsOf('').map((problem) => problem.what)).toEqual(['the file is empty'])
    expect(problemsOf('# only a comment\n')[0]?.what).toBe('the file is empty')
  })

  test('a word like yes or 0o7 stays what it is in YAML 1.2', () => {
    const text = textOfStack('infisical-kubernetes').replace('    owner: infisical', '    owner: yes')
    expect(parseStack(text, 'standby.yaml', kinds).components[1]?.spec.owner).toBe('yes')
  })
})

describe('whatever the text', () => {
  const judged = (text: string): void => {
    try {
      parseStack(text, 'standby.yaml', kinds)
    } catch (error) {
      expect(error).toBeInstanceOf(StandbyError)
      expect((error as StandbyError).code).toBe('stack-invalid')
    }
  }

  test('the loader throws nothing but a stack-invalid', () => {
    const words = fc.constantFrom(
      ...'standby: sites: components: driver: redis needs: - [ ] { } & * ! | > " \' # % @ ` --- ... __proto__ constructor null 1 \n \t'.split(
        /(?<=\S) /,
      ),
      '\n  ',
      '\n    ',
    )
    const unruly = fc.oneof(
      anyText(),
      fc.array(words, { maxLength: 60 }).map((parts) => parts.join(' ')),
    )
    fc.assert(fc.property(unruly, judged), { numRuns: rounds(500) })
  })

  test('a published stack with any passage cut out or doubled is a stack or a stack-invalid', () => {
    const text = textOfStack('infisical-kubernetes')
    const passage = fc.tuple(fc.nat({ max: text.length }), fc.nat({ max: 200 }), fc.boolean())
    fc.assert(
      fc.property(passage, ([from, length, doubled]) => {
        const part = text.slice(from, from + length)
        judged(text.slice(0, from) + (doubled ? part + part : '') + text.slice(from + length))
      }),
      { numRuns: rounds(300) },
    )
  })

  test('a value of any type in any place of a published stack is judged, never tripped over', () => {
    const text = textOfStack('infisical-kubernetes')
    const values = [...text.matchAll(/(?<=: )[^\s#{[][^#\n,}]*/g)].map((match) => ({
      at: match.index,
      length: match[0].length,
    }))
    const odd = fc.constantFrom(
      'null',
      '1',
      '-1.5',
      'true',
      '[]',
      '{}',
      '[1]',
      '{ a: 1 }',
      '""',
      '"\\u0000"',
      '{ env: 1 }',
      '"__proto__"',
    )
    fc.assert(
      fc.property(fc.constantFrom(...values), odd, ({ at, length }, by) =>
        judged(text.slice(0, at) + by + text.slice(at + length)),
      ),
      { numRuns: rounds(300) },
    )
  })

  test('no control character of the file reaches a terminal or forges a line of a log', () => {
    const message = refusalOf('standby: 1\n"a\u001b[2Jb\u0085c\u2028::set-output": 1\n')?.message ?? ''
    expect(message).toContain('unknown key')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(message).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/)
  })
})
