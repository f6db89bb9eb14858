import { createHash } from 'node:crypto'

/**
 * A public key as OpenSSH writes it, Ed25519 only. The Base64 of 51 bytes begins with the same 25 characters for every
 * such key (algorithm name and lengths), so the pattern accepts exactly the well-formed ones. RFC 8709, section 4.
 */
export const SSH_ED25519_PATTERN = '^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}( .*)?$'

/**
 * The key in wire format (algorithm name and 32 bytes) without its comment, for comparing keys. Expects a text that
 * matches the pattern.
 */
export const keyBlobOf = (key: string): Buffer => Buffer.from(key.split(' ')[1] ?? '', 'base64')

/** `SHA256:…` as `ssh-keygen -l` prints it. */
export const fingerprintOf = (blob: Uint8Array): string =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
