/**
 * The ladder of fences, lowest first: traffic closed on every load balancer, application at zero, database fenced,
 * write access to the archive revoked, power or network off. Each is a step with a proof.
 */
export const FENCE_LEVELS = ['traffic', 'application', 'database', 'archive', 'power'] as const
export type FenceLevel = (typeof FENCE_LEVELS)[number]

/** Revoking archive access does not stop the database, so level `archive` requires both. */
export const partsOf = (level: FenceLevel): readonly FenceLevel[] =>
  level === 'archive' ? ['database', 'archive'] : [level]

/** Whether these levels hold the required one; without power a site does nothing. */
export const reaches = (levels: readonly FenceLevel[], required: FenceLevel): boolean =>
  levels.includes('power') || partsOf(required).every((level) => levels.includes(level))
