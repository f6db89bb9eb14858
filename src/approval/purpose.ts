/** The purpose of an approval: to execute a plan, to continue a run of it, or to take that run back. */
export type Purpose =
  | { readonly operation: 'execute' }
  | { readonly operation: 'resume' | 'abort'; readonly run: string }

export const EXECUTE: Purpose = { operation: 'execute' }

/**
 * Whether a plan's expiry applies to this purpose. An expired plan is not begun. A run that was begun must be finished
 * even after the expiry, with an approval for exactly that.
 */
export const isBoundByExpiry = (purpose: Purpose): boolean => purpose.operation === 'execute'
