import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseStrictly } from '../../src/values/strict-json.ts'

describe('JSON that every reader reads alike', () => {
  test('is what JSON.parse makes of it, for every value', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseStrictly(text)).toEqual({ value: JSON.parse(text) as unknown })
      }),
    )
  })

  test.each([
    ['one name twice', '{"epoch":3,"site":"a","epoch":9}', '"epoch"'],
    ['one name twice, escaped otherwise', '{"epoch":3,"\\u0065poch":9}', '"\\u0065poch"'],
    ['one name twice, deep inside', '{"a":[{"b":{"c":1,"d":{},"c":2}}]}', '"c"'],
    ['one name twice, with blanks before its colon', '{"c" : 1,\n"c"\t: 2}', '"c"'],
    ['a name of every object, twice', '{"__proto__":1,"__proto__":2}', '"__proto__"'],
  ])('has no mapping with %s', (_, text, name) => {
    expect(parseStrictly(text)).toEqual({ why: expect.stringContaining(`names ${name} twice`) })
  })

  test('may repeat a name in another mapping, in a list, and as a value', () => {
    for (const text of [
      '{"a":{"a":1},"b":{"a":1}}',
      '[{"a":1},{"a":2}]',
      '{"a":"a","b":["a","a"]}',
      '{"a":"{\\"a\\":1,\\"a\\":2}"}',
    ])
      expect(parseStrictly(text)).toHaveProperty('value')
  })

  test('is refused without a word of the text when it is no JSON', () => {
    for (const text of ['', 'secret', '{"a":1', '{}{}', '\uFEFF{}'])
      expect(parseStrictly(text)).toEqual({ why: 'is no JSON' })
  })
})
