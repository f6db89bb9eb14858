import type { GitHubUser } from '../clients/github.ts'

/** The account that GitHub shows in the place of every deleted one: nobody knows who it was. */
const GHOST = { id: 10137, login: 'ghost' }

/**
 * Whether this account is a person's. Apps and workflows act as well: with the token of a workflow that somebody pushed
 * to a branch, he would ask for what he approves himself. What GitHub does not call a user is none; nor is what it does
 * not name a kind of. Pure.
 */
export const isPerson = ({ id, login, type }: GitHubUser): boolean =>
  type === 'User' && !/\[bot\]$/i.test(login) && id !== GHOST.id && login.toLowerCase() !== GHOST.login

/** `github-actions[bot] (Bot)`: for a person who reads why. */
export const accountText = ({ login, type }: GitHubUser): string =>
  `${login} (${type ?? 'of no kind that GitHub names'})`
