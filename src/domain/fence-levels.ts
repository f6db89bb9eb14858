/**
 * The ladder of fences, lowest first: traffic closed on every load balancer, application at zero, database fenced, write access to the
 * archive revoked, power or network off. Each is a step with a proof.
 */
export const FENCE_LEVELS = ['traffic', 'application', 'database', 'archive', 'power'] as const
export type FenceLevel = (typeof FENCE_LEVELS)[number]
