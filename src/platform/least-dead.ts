import { UNSEEN, type Unseen } from '../errors/unseen.ts'

/**
 * Of several causes of silence the one that says least of death: a sign of life, then a fault of our own, then silence.
 */
export function leastDead(causes: readonly Unseen[]): Unseen {
  const withVote = (vote: 'up' | 'none'): Unseen | undefined => causes.find((cause) => UNSEEN[cause].vote === vote)
  return withVote('up') ?? withVote('none') ?? causes[0] ?? 'defect'
}
