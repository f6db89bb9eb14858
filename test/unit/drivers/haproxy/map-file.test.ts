import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { fileValue, runtimeValue, serversOf, withValue } from '../../../../src/drivers/haproxy/instance.ts'

const token = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,12}$/)
const line = fc.oneof(
  fc.tuple(token, token).map(([key, value]) => `${key} ${value}`),
  token.map((word) => `# ${word}`),
  fc.constant(''),
)
const content = fc.tuple(fc.array(line), fc.boolean()).map(([lines, ended]) => lines.join('\n') + (ended && lines.length > 0 ? '\n' : ''))

describe('the map file', () => {
  test('holds the new value, and every line that is not ours as it was', () => {
    fc.assert(
      fc.property(content, token, token, (before, key, value) => {
        const after = withValue(before, key, value)
        expect(fileValue(after, key)).toBe(value)
        const others = (text: string): string[] => text.split('\n').filter((one) => one !== '' && one.split(' ')[0] !== key)
        expect(others(after)).toEqual(others(before))
      }),
    )
  })

  test('written twice is written once', () => {
    fc.assert(
      fc.property(content, token, token, (before, key, value) => {
        const once = withValue(before, key, value)
        expect(withValue(once, key, value)).toBe(once)
      }),
    )
  })

  test('says nothing of a key that it does not have', () => {
    expect(fileValue('active-hanzo dc-b\n# active dc-a\n', 'active')).toBeNull()
    expect(runtimeValue('0x55d0 active-hanzo dc-b\n\n', 'active')).toBeNull()
    expect(runtimeValue('Unknown map identifier. Please use #<id> or <file>.\n\n', 'active')).toBeNull()
  })
})

test('a server without a health check counts as up, one in maintenance does not', () => {
  const csv = [
    '# pxname,svname,scur,status,',
    'dc-a,one,0,UP,',
    'dc-a,two,0,UP 1/3,',
    'dc-b,one,0,no check,',
    'dc-b,two,0,MAINT,',
    'dc-b,three,0,DOWN,',
  ]
  expect(serversOf(csv.join('\n'))).toEqual({
    'dc-a': [
      { name: 'one', up: true },
      { name: 'two', up: true },
    ],
    'dc-b': [
      { name: 'one', up: true },
      { name: 'two', up: false },
      { name: 'three', up: false },
    ],
  })
})
