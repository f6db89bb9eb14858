import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { backendsOf, fileValue, runtimeValue, withValue } from '../../../../src/drivers/haproxy/instance.ts'

const token = fc.stringMatching(/^[A-Za-z0-9_.:-]{1,12}$/)
const line = fc.oneof(
  fc.tuple(token, token).map(([key, value]) => `${key} ${value}`),
  token.map((word) => `# ${word}`),
  fc.constant(''),
)
const content = fc
  .tuple(fc.array(line), fc.boolean())
  .map(([lines, ended]) => lines.join('\n') + (ended && lines.length > 0 ? '\n' : ''))

describe('the map file', () => {
  test('holds the new value, and every line that is not ours as it was', () => {
    fc.assert(
      fc.property(content, token, token, (before, key, value) => {
        const after = withValue(before, key, value)
        expect(fileValue(after, key)).toBe(value)
        const others = (text: string): string[] =>
          text.split('\n').filter((one) => one !== '' && one.split(' ')[0] !== key)
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

test('a server without a health check counts as up, one in maintenance does not; sessions are those of the whole backend', () => {
  const csv = [
    '# pxname,svname,qcur,scur,status,check_status,',
    'dc-a,one,0,2,UP,L7OK,',
    'dc-a,two,0,0,UP 1/3,* L4TOUT,',
    'dc-a,BACKEND,1,3,UP,,',
    'dc-b,one,0,0,no check,,',
    'dc-b,two,0,0,MAINT,,',
    'dc-b,three,0,0,DOWN,L4CON,',
    'dc-b,BACKEND,0,0,UP,,',
  ]
  expect(backendsOf(csv.join('\n'))).toEqual({
    'dc-a': {
      sessions: 3,
      servers: [
        { name: 'one', up: true, check: 'L7OK' },
        { name: 'two', up: true, check: 'L4TOUT' },
      ],
    },
    'dc-b': {
      sessions: 0,
      servers: [
        { name: 'one', up: true, check: '' },
        { name: 'two', up: false, check: '' },
        { name: 'three', up: false, check: 'L4CON' },
      ],
    },
  })
})
