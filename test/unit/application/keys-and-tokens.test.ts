import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { signToken, verifyToken } from '../../../lab/application/access-token.ts'
import { decrypt, encrypt, labelOf } from '../../../lab/application/cipher.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const claims = { identityId: 'identity', identityAccessTokenId: 'token' }

describe('encryption at rest', () => {
  test('what is encrypted decrypts with the same key and with no other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), key, key, (plain, one, other) => {
        const blob = encrypt(plain, one)
        expect(decrypt(blob, one)).toEqual(Buffer.from(plain))
        if (!one.equals(other)) expect(decrypt(blob, other)).toBeNull()
      }),
    )
  })

  test('a changed or cut ciphertext does not decrypt', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 50 }),
        key,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (plain, one, at, flip) => {
          const blob = encrypt(plain, one)
          const position = at % blob.length
          const changed = Buffer.from(blob)
          changed[position] = (changed[position] ?? 0) ^ flip
          expect(decrypt(changed, one)).toBeNull()
          expect(decrypt(blob.subarray(0, position), one)).toBeNull()
        },
      ),
    )
  })

  test('the label tells keys apart and holds nothing of them', () => {
    const one = Buffer.from('0123456789abcdef0123456789abcdef')
    expect(labelOf(one)).toBe(labelOf(Buffer.from(one)))
    expect(labelOf(one)).not.toBe(labelOf(Buffer.alloc(32)))
    expect(labelOf(one)).toMatch(/^[0-9a-f]{12}$/)
  })
})

describe('access tokens', () => {
  test('a token is accepted wherever AUTH_SECRET is the same, and nowhere else', () => {
    const token = signToken(claims, 'secret')
    expect(verifyToken(token, 'secret', Date.now())).toMatchObject(claims)
    expect(verifyToken(token, 'another', Date.now())).toBeNull()
  })

  test('an expired or damaged token is refused', () => {
    const expired = signToken({ ...claims, exp: 1_000 }, 'secret')
    expect(verifyToken(expired, 'secret', 1_001_000)).toBeNull()
    expect(verifyToken(expired, 'secret', 999_000)).toMatchObject(claims)
    const [header, payload] = expired.split('.')
    for (const broken of ['', 'a.b.c', `${header}.${payload}`, `${header}.${payload}.`, `${expired}x.y`])
      expect(verifyToken(broken, 'secret', 0)).toBeNull()
  })
})
