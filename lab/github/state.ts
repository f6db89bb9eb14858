import { createHash, randomBytes } from 'node:crypto'
import { matchesGlob } from 'node:path'

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
  /** Ids of users; an environment without reviewers waits for no approval. */
  readonly reviewers: readonly number[]
  readonly preventSelfReview: boolean
  readonly adminsCanBypass: boolean
  /** null: every branch. */
  readonly branches: readonly string[] | null
}
export interface RunState {
  readonly id: number
  /** Who started it. */
  readonly actor: number
  /** Who started the newest attempt. */
  triggeringActor: number
  readonly event: string
  readonly branch: string
  readonly sha: string
  attempt: number
  conclusion: 'cancelled' | 'failure' | null
  /** Environments that a job of this run waits for. */
  readonly waiting: Set<string>
  /** Jobs of the newest attempt that named an environment. */
  readonly jobs: JobState[]
  /** Of all attempts: GitHub does not say of which. */
  readonly reviews: {
    readonly environment: { readonly id: number; readonly name: string }
    readonly user: number
    readonly state: 'approved' | 'rejected'
    readonly comment: string
  }[]
}

export interface JobState {
  readonly environment: string
  /** ISO 8601. */
  readonly createdAt: string
  /** When a runner took it; null as long as its environment holds it back. */
  startedAt: string | null
}

/** Who takes every job as soon as it may run. */
export const RUNNER = 'lab-runner'

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

/** As GitHub does it: an environment that does not exist is made when a job names it, without any rule. */
export function environmentOf(state: GitHubState, name: string): EnvironmentState {
  const known = state.environments.get(name)
  if (known !== undefined) return known
  const made = {
    id: state.nextId++,
    name,
    reviewers: [],
    preventSelfReview: false,
    adminsCanBypass: true,
    branches: null,
  }
  state.environments.set(name, made)
  return made
}

/** A new run at the tip of its branch; a branch that does not exist is made with a commit. */
export function startRun(
  state: GitHubState,
  start: { readonly actor: number; readonly branch: string; readonly sha?: string | undefined; readonly event: string },
): RunState {
  const sha = start.sha ?? state.branches.get(start.branch) ?? createHash('sha1').update(randomBytes(8)).digest('hex')
  if (!state.branches.has(start.branch)) state.branches.set(start.branch, sha)
  const run: RunState = {
    id: state.nextId++,
    actor: start.actor,
    triggeringActor: start.actor,
    event: start.event,
    branch: start.branch,
    sha,
    attempt: 1,
    conclusion: null,
    waiting: new Set(),
    jobs: [],
    reviews: [],
  }
  state.runs.set(run.id, run)
  return run
}

/** A new attempt of the same run: it has to wait again, and what was reviewed before stays listed. */
export function rerun(run: RunState, by: number): void {
  run.attempt += 1
  run.triggeringActor = by
  run.conclusion = null
  run.waiting.clear()
  run.jobs.length = 0
}

/** What a job meets that names this environment. */
export function reach(run: RunState, environment: EnvironmentState): 'waiting' | 'running' | 'refused' {
  const allowed = environment.branches?.some((pattern) => matchesGlob(run.branch, pattern)) ?? true
  if (!allowed) {
    run.conclusion = 'failure'
    return 'refused'
  }
  const waits = environment.reviewers.length > 0
  const now = new Date().toISOString()
  run.jobs.push({ environment: environment.name, createdAt: now, startedAt: waits ? null : now })
  if (!waits) return 'running'
  run.waiting.add(environment.name)
  return 'waiting'
}

/** Why GitHub would not take this review; null when it does. */
export function reviewProblem(run: RunState, environment: EnvironmentState, user: number): string | null {
  if (!run.waiting.has(environment.name)) return 'There are no pending deployment requests to approve or reject'
  if (!environment.reviewers.includes(user)) return 'User is not a required reviewer'
  if (environment.preventSelfReview && [run.actor, run.triggeringActor].includes(user))
    return 'Self-review is prevented'
  return null
}

export function review(
  run: RunState,
  environment: EnvironmentState,
  given: Omit<RunState['reviews'][number], 'environment'>,
): void {
  run.waiting.delete(environment.name)
  run.reviews.push({ environment: { id: environment.id, name: environment.name }, ...given })
  if (given.state === 'rejected') {
    run.conclusion = 'failure'
    return
  }
  for (const job of run.jobs) if (job.environment === environment.name) job.startedAt ??= new Date().toISOString()
}
