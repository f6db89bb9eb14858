import { execFileSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { armoured as kept, parseSshSignature, verifiesSsh } from '../../../src/approval/ssh-signature.ts'
import { fingerprintOf, keyBlobOf } from '../../../src/stack/ssh-key.ts'
import { armoured, bytesOf, opensshAccepts, opensshSigner, quickSigner } from './signers.ts'

const TEXT = 'Standby approval, version 1\nreason: GitHub is down – Vorfall 4711\n'
const rita = opensshSigner('rita')
const signature = rita.sign(TEXT)

/** Whether we take a text as a signature of this key over this message. */
function accepts(text: string, message = TEXT, key = rita.key): boolean {
  const parsed = parseSshSignature(text)
  return (
    !('is' in parsed) &&
    parsed.namespace === 'standby-plan@v1' &&
    parsed.keyBlob.equals(keyBlobOf(key)) &&
    verifiesSsh(parsed, message)
  )
}

describe('a signature of ssh-keygen', () => {
  test.each(['sha512', 'sha256'] as const)('over %s is verified, and names key and namespace', (hash) => {
    const signer = opensshSigner('omar', 'ed25519', hash)
    const parsed = parseSshSignature(signer.sign(TEXT))
    expect(parsed).toMatchObject({ namespace: 'standby-plan@v1', hash, keyBlob: keyBlobOf(signer.key) })
    expect(accepts(signer.sign(TEXT), TEXT, signer.key)).toBe(true)
  })

  test('is of no other text, not even by one byte', () => {
    expect(accepts(signature)).toBe(true)
    for (const other of ['', `${TEXT}\n`, TEXT.trim(), TEXT.replace('4711', '4712'), `${TEXT.normalize('NFD')} `])
      expect(accepts(signature, other)).toBe(false)
  })

  test('survives the line ends and the white space of a mail program', () => {
    expect(accepts(signature.replaceAll('\n', '\r\n'))).toBe(true)
    expect(accepts(`\n  ${signature}\n\n`)).toBe(true)
  })

  test('is kept as ssh-keygen verifies it, whatever a mail program did to it', () => {
    const omar = opensshSigner('omar')
    const made = omar.sign(TEXT)
    for (const mailed of [made, made.replaceAll('\n', '\r\n'), made.replaceAll('\n', '\r'), `\r\n  ${made}\r\n`])
      expect(opensshAccepts(`${kept(mailed)}\n`, TEXT, omar)).toBe(true)
  })

  test.each(['rsa', 'ecdsa'] as const)('by an %s key is distinguished from a damaged one', (type) => {
    const other = opensshSigner('otto', type)
    expect(parseSshSignature(other.sign(TEXT))).toMatchObject({
      is: 'another-algorithm',
      why: expect.stringContaining('ssh-ed25519'),
    })
  })

  test('with any byte changed, removed or added is worth nothing', () => {
    const bytes = bytesOf(signature)
    expect(accepts(armoured(bytes))).toBe(true)
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 128]) {
        const bent = Buffer.from(bytes)
        bent[at] = (bent[at] ?? 0) ^ bit
        expect({ at, accepted: accepts(armoured(bent)) }).toEqual({ at, accepted: false })
      }
      expect(accepts(armoured(bytes.subarray(0, at)))).toBe(false)
      expect(accepts(armoured(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])))).toBe(false)
    }
    expect(accepts(armoured(Buffer.concat([bytes, Buffer.from([0])])))).toBe(false)
  })

  test('a file with any other content does not break the reader of signatures', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => armoured(Buffer.from(bytes))),
    )
    fc.assert(fc.property(texts, (text) => !accepts(text)))
    for (const text of [
      '',
      signature + signature,
      'x'.repeat(100_000),
      signature.replace('BEGIN SSH SIGNATURE', 'BEGIN PGP SIGNATURE'),
      rita.key,
    ])
      expect(parseSshSignature(text)).toMatchObject({ is: 'unreadable' })
    // The same bytes, written in another Base64: one signature has one form.
    expect(parseSshSignature(signature.replace(/=*\n-----END/, '====\n-----END'))).toMatchObject({ is: 'unreadable' })
  })
})

/** After the magic `SSHSIG`. */
const VERSION_AT = 6

test('our verdict is that of ssh-keygen itself, whatever is bent', () => {
  const bytes = bytesOf(signature)
  const quick = quickSigner('quick')
  expect(opensshAccepts(quick.sign(TEXT), TEXT, quick)).toBe(true)
  expect(accepts(quick.sign(TEXT), TEXT, quick.key)).toBe(true)
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), fc.boolean(), (at, bit, spare) => {
      const bent = Buffer.from(bytes)
      if (!spare) bent[at] = (bent[at] ?? 0) ^ (1 << bit)
      const text = armoured(bent)
      // OpenSSH refuses newer versions only (sshsig.c, sshsig_parse_preamble), and takes version 0 for 1; there never
      // was one.
      const isVersion0 = bent.readUInt32BE(VERSION_AT) === 0
      expect(accepts(text)).toBe(!isVersion0 && opensshAccepts(text, TEXT, rita))
    }),
    { numRuns: 40, examples: [[VERSION_AT + 3, 0, false]] },
  )
})

test('a fingerprint is the one that ssh-keygen prints', () => {
  const printed = execFileSync('ssh-keygen', ['-l', '-f', '-'], { input: `${rita.key}\n`, encoding: 'utf8' })
  expect(printed.split(' ')[1]).toBe(fingerprintOf(keyBlobOf(rita.key)))
})
