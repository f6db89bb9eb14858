import { createHash, createPublicKey, verify } from 'node:crypto'

/**
 * Signatures as `ssh-keygen -Y sign` makes them; the format is PROTOCOL.sshsig of OpenSSH. Ed25519 only: one algorithm,
 * without parameters that could be weak. Any deviation from the format is refused, such as bytes after the end or
 * another version.
 */
export interface SshSignature {
  /** Wire format of the public key that the signature names. */
  readonly keyBlob: Buffer
  readonly namespace: string
  readonly hash: 'sha256' | 'sha512'
  readonly reserved: Buffer
  readonly signature: Buffer
}

/** Why a text is not a signature that counts; continues the sentence "the signature …". */
export interface NoSignature {
  readonly is: 'unreadable' | 'another-algorithm'
  readonly why: string
}

const ARMOR = /^\s*-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*$/
const MAGIC = Buffer.from('SSHSIG')
const KEY_TYPE = 'ssh-ed25519'
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
const LARGEST = 10_000

/**
 * The signature in an armoured text, not yet verified; or why there is none. Accepts line ends that a mail program
 * changed.
 */
export function parseSshSignature(text: string): SshSignature | NoSignature {
  const [, base64] = text.length > LARGEST ? [] : (ARMOR.exec(text) ?? [])
  if (base64 === undefined) return unreadable('is no single block of -----BEGIN SSH SIGNATURE-----')
  const joined = base64.replaceAll(/[\r\n]/g, '')
  const bytes = Buffer.from(joined, 'base64')
  if (bytes.toString('base64') !== joined) return unreadable('is damaged: its Base64 is not')
  try {
    return partsOf(bytes)
  } catch (error) {
    if (error instanceof RangeError) return unreadable('is damaged: it ends too early or too late')
    throw error
  }
}

/**
 * A parsed signature in the form that `ssh-keygen` writes. This form is stored, so that it verifies again even if a
 * mail program changed the file.
 */
export const armoured = (text: string): string => text.replaceAll(/\r\n?/g, '\n').trim()

function partsOf(bytes: Buffer): SshSignature | NoSignature {
  const wire = reader(bytes)
  if (!wire.bytes(MAGIC.length).equals(MAGIC)) return unreadable('is no SSHSIG')
  const version = wire.number()
  if (version !== 1) return unreadable(`has the version ${version}, not 1`)
  const keyBlob = wire.string()
  const namespace = wire.string().toString('utf8')
  const reserved = wire.string()
  const hash = wire.string().toString('latin1')
  const signed = reader(wire.string())
  wire.end()
  const algorithms = [reader(keyBlob).string(), signed.string()].map((name) => name.toString('latin1'))
  const other = algorithms.find((name) => name !== KEY_TYPE)
  if (other !== undefined)
    return { is: 'another-algorithm', why: `is of the algorithm ${printable(other)}, not ${KEY_TYPE}` }
  if (hash !== 'sha256' && hash !== 'sha512')
    return { is: 'another-algorithm', why: `is over the hash ${printable(hash)}, not sha512` }
  const key = reader(keyBlob)
  key.string()
  const signature = signed.string()
  const lengths = [key.string().length, signature.length]
  signed.end()
  key.end()
  return lengths[0] === KEY_BYTES && lengths[1] === SIGNATURE_BYTES
    ? { keyBlob, namespace, hash, reserved, signature }
    : unreadable('is damaged: key or signature have another length')
}

/**
 * Whether the key in the signature has signed this message in the signature's namespace. The caller judges whose key it
 * is, and for what purpose.
 */
export function verifiesSsh(signature: SshSignature, message: string): boolean {
  const digest = createHash(signature.hash).update(message, 'utf8').digest()
  const parts = [Buffer.from(signature.namespace, 'utf8'), signature.reserved, Buffer.from(signature.hash), digest]
  const signed = Buffer.concat([MAGIC, ...parts.map(wireString)])
  const x = signature.keyBlob.subarray(-KEY_BYTES).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, signed, key, signature.signature)
}

/** RFC 4251, section 5: four bytes of length, then the bytes. */
export function wireString(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Reads the wire format; throws a RangeError when the bytes end too early or too late. */
function reader(from: Buffer) {
  let at = 0
  const bytes = (count: number): Buffer => {
    if (at + count > from.length) throw new RangeError('beyond the end')
    at += count
    return from.subarray(at - count, at)
  }
  const number = (): number => bytes(4).readUInt32BE()
  return {
    bytes,
    number,
    string: (): Buffer => bytes(number()),
    end: (): void => {
      if (at !== from.length) throw new RangeError('before the end')
    },
  }
}

const unreadable = (why: string): NoSignature => ({ is: 'unreadable', why })
const printable = (text: string): string => JSON.stringify(text.slice(0, 40))
