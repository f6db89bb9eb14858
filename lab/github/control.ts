/** What a test or the drill tells the fake: who starts a run, which job waits, who reviews. */
export interface GitHubControl {
  /** Makes or replaces an environment. */
  environment(settings: {
    readonly name: string
    readonly reviewers: readonly string[]
    readonly preventSelfReview?: boolean
    readonly adminsCanBypass?: boolean
    readonly branches?: readonly string[] | null
  }): Promise<void>
  /** Starts a run; its branch is at its commit. */
  startRun(run: {
    readonly actor: string
    readonly branch?: string
    readonly sha?: string
    readonly event?: string
  }): Promise<{ readonly id: number; readonly sha: string; readonly branch: string }>
  /** A job of the run names an environment: it waits if that has reviewers. Throws when the branch may not use it. */
  reachEnvironment(run: number, environment: string): Promise<'waiting' | 'running'>
  /** Throws GitHub's own words when this person may not. */
  review(
    run: number,
    review: {
      readonly environment: string
      readonly reviewer: string
      readonly state?: 'approved' | 'rejected'
      readonly comment?: string
    },
  ): Promise<void>
  /** A new attempt, started by `actor` or by who started the run. */
  rerun(run: number, actor?: string): Promise<void>
  moveBranch(branch: string, sha: string): Promise<void>
}

/** A client of the fake's control endpoints. */
export function controlGitHub(url: string): GitHubControl {
  const post = async (path: string, body: object): Promise<never> => {
    const response = await fetch(`${url}/_lab${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5_000),
    })
    const answer = (await response.json()) as never
    if (!response.ok) throw new Error(`${path}: ${(answer as { message: string }).message}`)
    return answer
  }
  return {
    environment: async (settings) => post('/environments', settings),
    startRun: async (run) => post('/runs', run),
    reachEnvironment: async (run, environment) =>
      ((await post(`/runs/${run}/reach`, { environment })) as { state: 'waiting' | 'running' }).state,
    review: async (run, review) => post(`/runs/${run}/review`, review),
    rerun: async (run, actor) => post(`/runs/${run}/rerun`, actor === undefined ? {} : { actor }),
    moveBranch: async (branch, sha) => post('/branches', { branch, sha }),
  }
}
