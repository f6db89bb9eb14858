import { type EnvironmentState, type GitHubState, type RunState, reviewProblem } from './state.ts'

/** Answers in the shape that GitHub publishes (OpenAPI description); the tests validate each against it. */

/** Nothing of ours looks at times of GitHub's. */
export const at = '2026-11-21T00:00:00Z'

export function userAnswer(state: GitHubState, id: number): object {
  const { login } = state.users.get(id) ?? { login: 'ghost' }
  const url = `https://api.github.com/users/${login}`
  const link = (name: string): string => `${url}/${name}`
  return {
    login,
    id,
    node_id: `U_${id}`,
    avatar_url: link('avatar'),
    gravatar_id: '',
    url,
    html_url: `https://github.com/${login}`,
    followers_url: link('followers'),
    following_url: link('following{/other_user}'),
    gists_url: link('gists{/gist_id}'),
    starred_url: link('starred{/owner}{/repo}'),
    subscriptions_url: link('subscriptions'),
    organizations_url: link('orgs'),
    repos_url: link('repos'),
    events_url: link('events{/privacy}'),
    received_events_url: link('received_events'),
    // Workflows and apps act under such names.
    type: login.endsWith('[bot]') ? 'Bot' : 'User',
    site_admin: false,
  }
}

export function environmentAnswer(state: GitHubState, environment: EnvironmentState): object {
  const url = `https://api.github.com/repos/${state.repository}/environments/${encodeURIComponent(environment.name)}`
  const reviewers = environment.reviewers.map((id) => ({ type: 'User', reviewer: userAnswer(state, id) }))
  const rules = [
    ...(reviewers.length === 0
      ? []
      : [
          {
            id: environment.id * 10 + 1,
            node_id: 'GA_1',
            type: 'required_reviewers',
            prevent_self_review: environment.preventSelfReview,
            reviewers,
          },
        ]),
    ...(environment.branches === null ? [] : [{ id: environment.id * 10 + 2, node_id: 'GA_2', type: 'branch_policy' }]),
  ]
  return {
    id: environment.id,
    node_id: `EN_${environment.id}`,
    name: environment.name,
    url,
    html_url: `https://github.com/${state.repository}/deployments/activity_log?environments_filter=${encodeURIComponent(environment.name)}`,
    created_at: at,
    updated_at: at,
    // GitHub sends this field; its published description does not have it.
    can_admins_bypass: environment.adminsCanBypass,
    protection_rules: rules,
    deployment_branch_policy:
      environment.branches === null ? null : { protected_branches: false, custom_branch_policies: true },
  }
}

export function branchPoliciesAnswer(environment: EnvironmentState, page: number, perPage: number): object {
  const policies = (environment.branches ?? []).map((name, index) => ({
    id: environment.id * 100 + index,
    node_id: `BP_${index}`,
    name,
    type: 'branch',
  }))
  return { total_count: policies.length, branch_policies: policies.slice((page - 1) * perPage, page * perPage) }
}

export function approvalsAnswer(state: GitHubState, run: RunState): object[] {
  return run.reviews.map((review) => ({
    state: review.state,
    comment: review.comment,
    environments: [{ ...environmentLink(state, review.environment), created_at: at, updated_at: at }],
    user: userAnswer(state, review.user),
  }))
}

/** What waits for a reviewer; `viewer` is null for a job's own token, which cannot approve anything. */
export function pendingAnswer(state: GitHubState, run: RunState, viewer: number | null): object[] {
  return [...run.waiting].flatMap((name) => {
    const environment = state.environments.get(name)
    if (environment === undefined) return []
    return [
      {
        environment: environmentLink(state, environment),
        wait_timer: 0,
        wait_timer_started_at: null,
        current_user_can_approve: viewer !== null && reviewProblem(run, environment, viewer) === null,
        reviewers: environment.reviewers.map((id) => ({ type: 'User', reviewer: userAnswer(state, id) })),
      },
    ]
  })
}

function environmentLink(state: GitHubState, { id, name }: { readonly id: number; readonly name: string }): object {
  const url = `https://api.github.com/repos/${state.repository}/environments/${encodeURIComponent(name)}`
  return { id, node_id: `EN_${id}`, name, url, html_url: url }
}
