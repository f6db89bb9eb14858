/** What the fake of GitHub remembers: one repository with users, environments, runs and the reviews of runs. */
export interface GitHubState {
  readonly repository: string
  readonly users: Map<number, { readonly id: number; readonly login: string }>
  readonly environments: Map<string, EnvironmentState>
  readonly runs: Map<number, RunState>
  /** Newest commit of each branch. */
  readonly branches: Map<string, string>
  nextId: number
}
export interface EnvironmentState {
  readonly id: number
  readonly name: string
  /** Ids of users; an environment without reviewers waits for nobody. */
  readonly reviewers: readonly number[]
  readonly preventSelfReview: boolean
  readonly adminsCanBypass: boolean
  /** null: every branch. */
  readonly branches: readonly string[] | null
}
export interface RunState {
  readonly id: number
  readonly actor: number
  readonly branch: string
  readonly sha: string
  attempt: number
  /** Environments that a job of this run waits for. */
  readonly waiting: Set<string>
  readonly reviews: {
    readonly environment: string
    readonly user: number
    readonly state: 'approved' | 'rejected'
    readonly comment: string
  }[]
}

export function emptyState(repository: string): GitHubState {
  return { repository, users: new Map(), environments: new Map(), runs: new Map(), branches: new Map(), nextId: 1000 }
}

export const userOf = (state: GitHubState, login: string): number => {
  const known = [...state.users.values()].find((user) => user.login === login)
  if (known !== undefined) return known.id
  const id = state.nextId++
  state.users.set(id, { id, login })
  return id
}

/** As GitHub does it: an environment that nobody made is made when a job names it, without any rule. */
export function environmentOf(state: GitHubState, name: string): EnvironmentState {
  const known = state.environments.get(name)
  if (known !== undefined) return known
  const made = { id: state.nextId++, name, reviewers: [], preventSelfReview: false, adminsCanBypass: true, branches: null }
  state.environments.set(name, made)
  return made
}

/** Why GitHub would not take this review; null when it does. */
export function reviewProblem(state: GitHubState, run: RunState, environment: EnvironmentState, user: number): string | null {
  if (!run.waiting.has(environment.name)) return 'There are no pending deployment requests to approve or reject'
  if (!environment.reviewers.includes(user)) return 'User is not a required reviewer'
  if (environment.preventSelfReview && user === run.actor) return 'Self-review is prevented'
  return null
}
