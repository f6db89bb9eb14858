import { asStandbyError, type StandbyError } from '../../errors/standby-error.ts'

/**
 * The answer; where the identity lacks the right to ask, what `otherwise` makes of the refusal, which names the missing
 * rule. Other errors pass. For what an identity from before the right existed must be able to go without.
 */
export async function unlessForbidden<Answer, Otherwise>(
  ask: () => Promise<Answer>,
  otherwise: (refusal: StandbyError) => Otherwise | Promise<Otherwise>,
): Promise<Answer | Otherwise> {
  try {
    return await ask()
  } catch (error) {
    const refusal = asStandbyError(error)
    if (refusal.code !== 'kubernetes-forbidden') throw error
    return otherwise(refusal)
  }
}
