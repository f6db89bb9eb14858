import type { RequiredSignatures, SignatureKey } from '../domain/stack.ts'
import type { AnyReasonCode } from '../errors/reason-codes.ts'
import { fingerprintOf, keyBlobOf } from '../stack/ssh-key.ts'
import { SIGNATURE_NAMESPACE } from './approval-text.ts'
import { type Refusal, refusal } from './refusal.ts'
import { armoured, parseSshSignature, verifiesSsh } from './ssh-signature.ts'

/** A signature in a file, as it was given. */
export interface SignatureFile {
  /** For messages. */
  readonly file: string
  readonly text: string
}

/** A signature that counts. */
export interface Signer {
  readonly name: string
  /** `SHA256:…`. */
  readonly fingerprint: string
  /** The armoured text: evidence that can be verified again. */
  readonly signature: string
}

export interface SignaturesInQuestion {
  readonly declared: RequiredSignatures
  /** What must have been signed, rebuilt here. */
  readonly text: string
  readonly requestedBy: string
  readonly signatures: readonly SignatureFile[]
}

export interface JudgedSignatures {
  readonly refusals: readonly Refusal[]
  readonly signers: readonly Signer[]
}

/**
 * The signers of exactly this text, and every reason to refuse. One bad signature refuses all: an unexpected file is a
 * mistake or an attack. A key counts once. The requester's own signature does not count, because another person must
 * agree. Pure.
 */
export function judgeSignatures(question: SignaturesInQuestion): JudgedSignatures {
  const { declared, signatures, requestedBy } = question
  const judged = signatures.map((one) => judgeOne(one, question))
  const refusals = judged.flatMap((one) => ('refused' in one ? [one.refused] : []))
  const good = new Map(judged.flatMap((one) => ('signer' in one ? [[one.signer.fingerprint, one.signer]] : [])))
  const signers = [...good.values()].filter((signer) => !isSamePerson(signer.name, requestedBy))
  if (refusals.length > 0 || signers.length >= declared.required) return { refusals, signers }
  return { refusals: [tooFew(question, [...good.values()], signers)], signers }
}

function tooFew(
  { declared, requestedBy, signatures }: SignaturesInQuestion,
  good: readonly Signer[],
  signers: readonly Signer[],
): Refusal {
  const needed = `${declared.required} of ${declared.keys.map((key) => key.name).join(', ')} must sign`
  if (signatures.length === 0)
    return refusal(
      'approval-missing',
      `there is no signature, and ${needed}`,
      'Let them sign what `standby failover approve` prints.',
    )
  if (good.length >= declared.required)
    return refusal(
      'signer-is-requester',
      `${requestedBy} asks for the move and signed it, and ${needed}`,
      'Another person must sign.',
    )
  return refusal(
    'signatures-too-few',
    `${signers.map((signer) => signer.name).join(', ') || 'no key that counts'} signed, and ${needed}`,
    'Get the signatures that are missing. A key counts once, and the key of the requester does not count.',
  )
}

type Judged = { readonly signer: Signer } | { readonly refused: Refusal }

function judgeOne({ file, text }: SignatureFile, { declared, text: message }: SignaturesInQuestion): Judged {
  const refused = (code: AnyReasonCode, why: string, next: string): Judged => ({
    refused: refusal(code, `the signature ${file} ${why}`, next),
  })
  const again = `Sign again: ssh-keygen -Y sign -f <key> -n ${SIGNATURE_NAMESPACE} <text>.`
  const parsed = parseSshSignature(text)
  if ('is' in parsed)
    return parsed.is === 'unreadable'
      ? refused('signature-unreadable', parsed.why, again)
      : refused('signature-algorithm', parsed.why, 'Sign with a key of ssh-keygen -t ed25519.')
  if (parsed.namespace !== SIGNATURE_NAMESPACE)
    return refused(
      'signature-namespace',
      `was made for ${JSON.stringify(parsed.namespace)}, not for ${SIGNATURE_NAMESPACE}`,
      again,
    )
  const fingerprint = fingerprintOf(parsed.keyBlob)
  const key = keyIn(declared.keys, parsed.keyBlob)
  if (key === undefined)
    return refused(
      'signature-by-stranger',
      `is by the key ${fingerprint}, which the stack file does not name`,
      'One of the declared keys must sign.',
    )
  if (!verifiesSsh(parsed, message))
    return refused(
      'signature-wrong',
      `by ${key.name} is not for this plan, reason and requester`,
      'Hand over plan, --reason and --requested-by exactly as they were signed.',
    )
  return { signer: { name: key.name, fingerprint, signature: armoured(text) } }
}

const keyIn = (keys: readonly SignatureKey[], blob: Buffer): SignatureKey | undefined =>
  keys.find((key) => keyBlobOf(key.key).equals(blob))

const isSamePerson = (name: string, other: string): boolean => normal(name) === normal(other)
const normal = (name: string): string => name.normalize('NFC').trim().toLowerCase()
