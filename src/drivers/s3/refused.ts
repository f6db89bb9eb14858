import { StandbyError } from '../../errors.ts'

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
