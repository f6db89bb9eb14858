import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** AES-256-GCM; the result is nonce, ciphertext and tag in one piece. */
export function encrypt(plain: Uint8Array, key: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** The plain bytes, or null when the key is not the one that encrypted them or a bit has changed. */
export function decrypt(blob: Buffer, key: Buffer): Buffer | null {
  if (blob.length < NONCE_BYTES + TAG_BYTES) return null
  const decipher = createDecipheriv('aes-256-gcm', key, blob.subarray(0, NONCE_BYTES))
  decipher.setAuthTag(blob.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(blob.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    return null
  }
}

/** A fingerprint of a key that may be logged: it tells keys apart and says nothing about them. */
export function labelOf(key: Buffer): string {
  return createHash('sha256').update('encryption-key-label:').update(key).digest('hex').slice(0, 12)
}
