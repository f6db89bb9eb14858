import { asStandbyError, StandbyError } from '../errors/standby-error.ts'

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

/** Statuses with which a store may refuse an unknown header, among other things. */
const PERHAPS_UNKNOWN: ReadonlySet<string> = new Set(['object-store-refused', 'object-store-rules'])

/**
 * Why a store accepts no write with a precondition, by its answer to one; null when the cause is another. Some stores
 * say so (501). Others answer 400 or 405, as for other faults: if the same write succeeds `without` the header, the
 * header is the cause.
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
