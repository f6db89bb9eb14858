type Environment = Readonly<Record<string, string | undefined>>

/** The page of the run that this job belongs to: what binds a plan to its run. Null outside of GitHub. */
export function gitHubRunUrl(env: Environment): string | null {
  const {
    GITHUB_SERVER_URL: server = 'https://github.com',
    GITHUB_REPOSITORY: repository = '',
    GITHUB_RUN_ID: run = '',
  } = env
  return repository === '' || run === '' ? null : `${server}/${repository}/actions/runs/${run}`
}
