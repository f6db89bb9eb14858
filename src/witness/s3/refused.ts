import { asStandbyError, StandbyError } from '../../errors/standby-error.ts'

/** Whether a write whose precondition does not hold is refused, as it must be. */
export async function refused(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return false
  } catch (error) {
    if (error instanceof StandbyError && error.code === 'object-store-precondition') return true
    throw error
  }
}

/** What a store may say of a header that it does not know, and of much else. */
const PERHAPS_UNKNOWN: ReadonlySet<string> = new Set(['object-store-refused', 'object-store-rules'])

/**
 * Why a store takes no write with a precondition, by what it answered to one; null where something else is the matter.
 * Some say so (501). Others answer 400 or 405, as they do to much else: what they take `without` the header, the header
 * keeps out.
 */
export async function noPreconditions(answered: unknown, without: () => Promise<unknown>): Promise<string | null> {
  const reason = asStandbyError(answered)
  if (reason.code === 'object-store-no-preconditions') return reason.message
  if (!PERHAPS_UNKNOWN.has(reason.code)) return null
  try {
    await without()
    return reason.message
  } catch {
    return null
  }
}
