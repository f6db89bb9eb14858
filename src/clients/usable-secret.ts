import type { CredentialReference } from '../domain/stack.ts'
import { inputError } from '../errors/standby-error.ts'

/**
 * A value that is sent in a header as it is, or `credential-unusable`: visible characters of ASCII. `what`: an access
 * key, a token.
 */
export const sentInHeader = (value: string, what: string, reference: CredentialReference): string =>
  usable(value, /^[\x21-\x7E]+$/, what, reference)

/**
 * A value that only signs, or is written into the configuration of a program, or `credential-unusable`: no control
 * characters.
 */
export const inOneLine = (value: string, what: string, reference: CredentialReference): string =>
  usable(value, /^[^\p{Cc}]+$/u, what, reference)

/** Never with a part of the value. */
function usable(value: string, pattern: RegExp, what: string, reference: CredentialReference): string {
  if (pattern.test(value)) return value
  throw inputError(
    'credential-unusable',
    `the ${what} in ${placeOf(reference)} holds a line break, or another character that no ${what} has`,
    {
      next: 'Write it anew, in one line, as it was given out. Line breaks at its end are left out by themselves.',
    },
  )
}

function placeOf(reference: CredentialReference): string {
  if ('env' in reference) return `the environment variable ${reference.env}`
  if ('file' in reference) return `the file ${reference.file}`
  const { namespace, name, key } = reference.secret
  return `the Secret ${namespace}/${name}, key ${key}`
}
