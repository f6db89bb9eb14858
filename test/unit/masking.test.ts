import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { masking } from '../../src/runtime/masking.ts'

describe('a masked text', () => {
  test('holds no known secret, in none of the forms that programs make of it', () => {
    const secrets = fc.array(
      fc.string({ minLength: 6, maxLength: 40 }).filter((secret) => secret.trim().length >= 6 && !secret.includes('*')),
    )
    const hides = (all: string[], before: string): void => {
      const { add, masked } = masking()
      for (const secret of all) add(secret)
      for (const secret of all.map((one) => one.trim())) {
        const forms = [
          secret,
          Buffer.from(secret).toString('base64'),
          JSON.stringify(secret),
          encodeURIComponent(secret),
        ]
        for (const form of forms) expect(masked(`${before} ${form}.`)).not.toContain(secret)
        expect(masked(`x=${Buffer.from(secret).toString('base64')}`)).not.toContain(
          Buffer.from(secret).toString('base64'),
        )
      }
    }
    fc.assert(fc.property(secrets, fc.constantFrom('', 'said', '{"a":'), hides), { numRuns: 200 })
  })

  test('hides each line of a key, and what only begins like it stays', () => {
    const { add, masked } = masking()
    add('-----BEGIN-----\nabcdefgh\nijklmnop\n-----END-----\n')
    expect(masked('got abcdefgh and ijklmnop, not abcdef')).toBe('got *** and ***, not abcdef')
  })
})
