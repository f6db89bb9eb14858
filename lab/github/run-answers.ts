import { at, userAnswer } from './answers.ts'
import { type EnvironmentState, type GitHubState, RUNNER, type RunState } from './state.ts'

const WORKFLOW = '.github/workflows/failover.yml'

export function runAnswer(state: GitHubState, run: RunState): object {
  const unfinished = run.waiting.size > 0 ? 'waiting' : 'in_progress'
  const url = `${apiOf(state)}/actions/runs/${run.id}`
  const author = { name: 'GitHub', email: 'noreply@github.com' }
  return {
    id: run.id,
    name: 'Move the stack',
    node_id: `WFR_${run.id}`,
    head_branch: run.branch,
    head_sha: run.sha,
    path: WORKFLOW,
    display_title: 'Move the stack',
    run_number: run.id,
    run_attempt: run.attempt,
    event: run.event,
    status: run.conclusion === null ? unfinished : 'completed',
    conclusion: run.conclusion,
    workflow_id: 1,
    url,
    html_url: `https://github.com/${state.repository}/actions/runs/${run.id}`,
    jobs_url: `${url}/jobs`,
    logs_url: `${url}/logs`,
    check_suite_url: `${apiOf(state)}/check-suites/${run.id}`,
    artifacts_url: `${url}/artifacts`,
    cancel_url: `${url}/cancel`,
    rerun_url: `${url}/rerun`,
    workflow_url: `${apiOf(state)}/actions/workflows/1`,
    created_at: at,
    updated_at: at,
    run_started_at: at,
    pull_requests: [],
    head_commit: { id: run.sha, tree_id: run.sha, message: 'A commit', timestamp: at, author, committer: author },
    repository: repositoryAnswer(state),
    head_repository: repositoryAnswer(state),
    actor: userAnswer(state, run.actor),
    triggering_actor: userAnswer(state, run.triggeringActor),
  }
}

/** A job that waits has no runner yet, and says of its start when it was made. */
export function jobsAnswer(state: GitHubState, run: RunState): object {
  const jobs = run.jobs.map(({ environment, createdAt, startedAt }, index) => {
    const id = run.id * 100 + index
    const taken = startedAt !== null
    const unfinished = taken ? 'in_progress' : 'waiting'
    return {
      id,
      node_id: `CR_${id}`,
      run_id: run.id,
      run_url: `${apiOf(state)}/actions/runs/${run.id}`,
      run_attempt: run.attempt,
      workflow_name: 'Move the stack',
      head_branch: run.branch,
      head_sha: run.sha,
      name: environment,
      url: `${apiOf(state)}/actions/jobs/${id}`,
      html_url: `https://github.com/${state.repository}/actions/runs/${run.id}/job/${id}`,
      check_run_url: `${apiOf(state)}/check-runs/${id}`,
      status: run.conclusion === null ? unfinished : 'completed',
      conclusion: run.conclusion,
      created_at: createdAt,
      started_at: startedAt ?? createdAt,
      completed_at: null,
      labels: ['self-hosted'],
      runner_id: taken ? 1 : null,
      runner_name: taken ? RUNNER : null,
      runner_group_id: taken ? 1 : null,
      runner_group_name: taken ? 'Default' : null,
    }
  })
  return { total_count: jobs.length, jobs }
}

export function branchAnswer(state: GitHubState, name: string, sha: string): object {
  const url = `${apiOf(state)}/branches/${encodeURIComponent(name)}`
  const html = `https://github.com/${state.repository}/tree/${name}`
  const author = { name: 'GitHub', email: 'noreply@github.com', date: at }
  const commit = `${apiOf(state)}/commits/${sha}`
  return {
    name,
    commit: {
      sha,
      node_id: `C_${sha}`,
      url: commit,
      html_url: `https://github.com/${state.repository}/commit/${sha}`,
      comments_url: `${commit}/comments`,
      commit: {
        url: commit,
        message: 'A commit',
        comment_count: 0,
        tree: { sha, url: commit },
        author,
        committer: author,
      },
      author: null,
      committer: null,
      parents: [],
    },
    _links: { self: url, html },
    protected: true,
    protection: { enabled: true },
    protection_url: `${url}/protection`,
  }
}

export const refAnswer = (state: GitHubState, name: string, sha: string): object => ({
  ref: `refs/heads/${name}`,
  node_id: `REF_${sha}`,
  url: `${apiOf(state)}/git/refs/heads/${name}`,
  object: { type: 'commit', sha, url: `${apiOf(state)}/git/commits/${sha}` },
})

/** What GitHub answers to a review: the deployments that it let go or stopped. */
export const deploymentAnswer = (
  state: GitHubState,
  run: RunState,
  environment: EnvironmentState,
  creator: number,
): object => ({
  id: run.id * 10 + 1,
  node_id: `DE_${run.id}`,
  sha: run.sha,
  ref: run.branch,
  task: 'deploy',
  payload: {},
  original_environment: environment.name,
  environment: environment.name,
  description: null,
  creator: userAnswer(state, creator),
  created_at: at,
  updated_at: at,
  url: `${apiOf(state)}/deployments/${run.id}`,
  statuses_url: `${apiOf(state)}/deployments/${run.id}/statuses`,
  repository_url: apiOf(state),
})

const apiOf = (state: GitHubState): string => `https://api.github.com/repos/${state.repository}`

/** The links that a repository has in every answer that names it. */
const LINKS =
  'archive assignees blobs branches collaborators comments commits compare contents contributors deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges milestones notifications pulls releases stargazers statuses subscribers subscription tags teams trees'

function repositoryAnswer(state: GitHubState): object {
  const [owner = '', name = ''] = state.repository.split('/')
  const links = LINKS.split(' ').map((link) => [`${link}_url`, `${apiOf(state)}/${link}`])
  return {
    id: 1,
    node_id: 'R_1',
    name,
    full_name: state.repository,
    owner: userAnswer({ ...state, users: new Map([[1, { id: 1, login: owner }]]) }, 1),
    private: true,
    description: null,
    fork: false,
    url: apiOf(state),
    html_url: `https://github.com/${state.repository}`,
    ...Object.fromEntries(links),
  }
}
