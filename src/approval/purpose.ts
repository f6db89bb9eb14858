/** What an approval is asked for: to execute a plan, or to go on with, or take back, a run of it that was begun. */
export type Purpose =
  | { readonly operation: 'execute' }
  | { readonly operation: 'resume' | 'abort'; readonly run: string }

export const EXECUTE: Purpose = { operation: 'execute' }

/**
 * Whether a plan's expiry holds for this purpose. A plan that waited too long is not begun; a run that was begun must
 * be brought to an end even after that, with an approval that was given for just this.
 */
export const isBoundByExpiry = (purpose: Purpose): boolean => purpose.operation === 'execute'
