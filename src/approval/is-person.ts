import type { GitHubUser } from '../clients/github.ts'

/** The account that GitHub shows in place of every deleted account: the person is unknown. */
const GHOST = { id: 10137, login: 'ghost' }

/**
 * Whether this account is a person's. Apps and workflows act as accounts too: a person could push a workflow to a
 * branch, let its token ask for the move, and approve it. Only an account of type `User` is a person; an account
 * without a type is not. Pure.
 */
export const isPerson = ({ id, login, type }: GitHubUser): boolean =>
  type === 'User' && !/\[bot\]$/i.test(login) && id !== GHOST.id && login.toLowerCase() !== GHOST.login

/** `github-actions[bot] (Bot)`: for messages. */
export const accountText = ({ login, type }: GitHubUser): string =>
  `${login} (${type ?? 'of no kind that GitHub names'})`
