import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SIGNATURE_NAMESPACE } from '../../../src/approval/approval-text.ts'
import { wireString } from '../../../src/approval/ssh-signature.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

export interface Signer {
  readonly name: string
  /** As in a stack file. */
  readonly key: string
  sign(text: string, namespace?: string): string
}

/** A person with a key of the real ssh-keygen, who signs with that program: slow, and beyond doubt. */
export function opensshSigner(
  name: string,
  type: 'ed25519' | 'rsa' | 'ecdsa' = 'ed25519',
  hash: 'sha256' | 'sha512' = 'sha512',
): Signer {
  const folder = temporaryFolder()
  const key = join(folder, 'key')
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', `${name} laptop`, '-f', key], { stdio: 'ignore' })
  return {
    name,
    key: readFileSync(`${key}.pub`, 'utf8').trim(),
    sign(text, namespace = SIGNATURE_NAMESPACE) {
      const file = join(folder, 'approval.txt')
      writeFileSync(file, text)
      execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', key, '-n', namespace, '-O', `hashalg=${hash}`, file], {
        stdio: 'ignore',
      })
      const signature = readFileSync(`${file}.sig`, 'utf8')
      execFileSync('rm', [`${file}.sig`])
      return signature
    },
  }
}

/** The same within this process, for tests that sign thousands of times. */
export function quickSigner(name: string): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const text = (value: string): Buffer => wireString(Buffer.from(value))
  const blob = Buffer.concat([text('ssh-ed25519'), wireString(raw)])
  return {
    name,
    key: `ssh-ed25519 ${blob.toString('base64')} ${name}@laptop`,
    sign(message, namespace = SIGNATURE_NAMESPACE) {
      const context = Buffer.concat([text(namespace), text(''), text('sha512')])
      const digest = createHash('sha512').update(message).digest()
      const signature = sign(null, Buffer.concat([Buffer.from('SSHSIG'), context, wireString(digest)]), privateKey)
      const signed = wireString(Buffer.concat([text('ssh-ed25519'), wireString(signature)]))
      return armoured(
        Buffer.concat([Buffer.from('SSHSIG'), Buffer.from([0, 0, 0, 1]), wireString(blob), context, signed]),
      )
    },
  }
}

export function armoured(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? []
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n')
}

/** The bytes inside the armour. */
export const bytesOf = (signature: string): Buffer => Buffer.from(signature.split('\n').slice(1, -2).join(''), 'base64')

/** What ssh-keygen itself says: whether this signature is good for the text and the key. */
export function opensshAccepts(signature: string, text: string, by: Signer): boolean {
  const folder = temporaryFolder()
  const allowed = join(folder, 'allowed')
  const file = join(folder, 'signature')
  writeFileSync(allowed, `${by.name} ${by.key}\n`)
  writeFileSync(file, signature)
  const args = ['-Y', 'verify', '-f', allowed, '-I', by.name, '-n', SIGNATURE_NAMESPACE, '-s', file]
  try {
    execFileSync('ssh-keygen', args, { input: text, stdio: ['pipe', 'ignore', 'ignore'] })
    return true
  } catch {
    return false
  }
}
