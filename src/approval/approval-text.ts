import { acceptedLossText } from '../domain/accepted-loss.ts'
import type { Plan } from '../domain/plan.ts'
import { inputError } from '../errors/standby-error.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { isBoundByExpiry, type Purpose } from './purpose.ts'

/** The namespace of our signatures: a signature for a Git commit or a mail has another one, and does not count. */
export const SIGNATURE_NAMESPACE = 'standby-plan@v1'

const LONGEST_REASON = 1_000

/** What a signer agrees to in addition to the plan. */
export interface Request {
  /** Why the move is made without reviewers on GitHub: mandatory, and part of what is signed. */
  readonly reason: string
  /** The requester. A command line cannot prove who that is; the signers vouch for it. */
  readonly requestedBy: string
  readonly purpose: Purpose
}

/**
 * The text that is signed, the same byte for byte wherever it is made: one line for each thing that a signer agrees to,
 * the reason last. No value can hold a line break, so no value can pass for another line. The digest covers everything
 * else: steps, facts, predictions, stack file. Throws `reason-missing`, `input-invalid` and `plan-invalid`.
 */
export function approvalText(plan: Plan, request: Request): string {
  const { intent } = plan
  const lines: [string, string][] = [
    ['purpose', purposeText(request.purpose)],
    ['stack', plan.stack.name],
    ['move', `${intent.mode} from ${intent.from} to ${intent.to}`],
    ...(intent.acceptLoss === undefined
      ? []
      : [['accepted loss', acceptedLossText(intent.acceptLoss)] as [string, string]]),
    ['plan', plan.id],
    ['digest', digestOf(plan)],
    // The plan's expiry no longer applies to a run that was begun.
    ...(isBoundByExpiry(request.purpose) ? [['expires', plan.expiresAt] as [string, string]] : []),
  ]
  for (const [name, value] of lines)
    if (!isOneLine(value))
      throw inputError('plan-invalid', `the plan's ${name} cannot be shown on one line`, {
        next: 'Make a new plan: standby failover plan',
      })
  return [
    'Standby approval, version 1',
    ...lines.map(([name, value]) => `${name}: ${value}`),
    `requested by: ${oneLine(request.requestedBy, 'who asks for the move')}`,
    `reason: ${reasonOf(request)}`,
    '',
  ].join('\n')
}

/** The reason as it is signed and recorded. Throws `reason-missing`. */
export function reasonOf({ reason }: Pick<Request, 'reason'>): string {
  if (reason.trim() === '')
    throw inputError('reason-missing', '--reason is empty', {
      next: 'Say why; it is signed, and goes into the evidence.',
    })
  return oneLine(reason, 'the reason')
}

function purposeText(purpose: Purpose): string {
  return purpose.operation === 'execute' ? 'execute the plan' : `${purpose.operation} the run ${purpose.run}`
}

/**
 * Makes texts equal that differ only in spaces, line breaks or Unicode form, as after a copy from a mail or a chat.
 */
function oneLine(text: string, what: string): string {
  const normal = text.normalize('NFC').replaceAll(/\s+/g, ' ').trim()
  if (normal !== '' && normal.length <= LONGEST_REASON && isOneLine(normal)) return normal
  throw inputError(
    'input-invalid',
    `${what} is empty, longer than ${LONGEST_REASON} characters, or holds characters that cannot be seen`,
    {
      next: 'Write it in one line of plain text.',
    },
  )
}

/**
 * Rejects what a terminal does not show as it is: control characters, marks that change the writing direction, lone
 * surrogates.
 */
const isOneLine = (text: string): boolean => !/[\p{C}\p{Zl}\p{Zp}]/u.test(text)
