import { siteError } from '../errors/standby-error.ts'
import { exemptAddress } from '../runtime/proxies.ts'
import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'
import { isObject, type JsonObject } from '../values/json.ts'
import { asGitHubError, unreachable } from './github-errors.ts'
import { type GitHubApi, openOctokit, type QuestionOptions } from './github-octokit.ts'
import { serverTime } from './server-time.ts'
import { withinDeadline } from './within-deadline.ts'

/**
 * What the approval read-back asks GitHub. Answers are passed on as they came; the fields that are declared here were
 * found in them, with the right type. Optional ones may really be missing: then the caller must refuse, and never
 * assume.
 */
export interface GitHubClient {
  /** Throws `github-not-found` when there is no such environment, or when the token may not see it. */
  environment(name: string): Promise<GitHubEnvironment>
  /** The patterns of branches and tags that may use the environment; all pages. */
  branchPolicies(environment: string): Promise<readonly GitHubBranchPolicy[]>
  run(id: number): Promise<GitHubRun>
  /** Empty when no approval was required. */
  approvals(runId: number): Promise<readonly GitHubApproval[]>
  /** The jobs of a run's newest attempt, the first 100: enough to find the one that asks. */
  jobs(runId: number): Promise<readonly GitHubJob[]>
  /** SHA of the newest commit of a branch. */
  branchTip(name: string): Promise<string>
  /**
   * What time it is by GitHub's own clock, within a second, as its answers said; null before the first one, and when
   * none says it. Asks nothing.
   */
  time(): Date | null
}

export interface GitHubUser {
  /** Compare this: a login can be renamed and taken over. */
  readonly id: number
  readonly login: string
  /** `User`, `Bot`, `Organization`, `Mannequin`. */
  readonly type?: string
}
export interface GitHubEnvironment {
  readonly id: number
  readonly name: string
  /** GitHub sends it; its published description does not have it. */
  readonly can_admins_bypass?: boolean
  readonly protection_rules: readonly GitHubProtectionRule[]
  readonly deployment_branch_policy: {
    readonly protected_branches: boolean
    readonly custom_branch_policies: boolean
  } | null
}
export interface GitHubProtectionRule {
  /** `required_reviewers`, `wait_timer`, `branch_policy`, or a custom one. */
  readonly type: string
  readonly prevent_self_review?: boolean
  readonly reviewers?: readonly {
    readonly type: string
    readonly reviewer: { readonly id: number; readonly login?: string; readonly name?: string }
  }[]
}
export interface GitHubBranchPolicy {
  readonly name: string
  /** `branch` or `tag`; absent on older servers. */
  readonly type?: string
}
export interface GitHubRun {
  readonly id: number
  readonly run_attempt: number
  readonly event: string
  readonly head_sha: string
  readonly head_branch: string | null
  readonly path: string
  readonly actor: GitHubUser
  readonly triggering_actor: GitHubUser
}
export interface GitHubApproval {
  /** `approved`, `rejected`, `pending`. */
  readonly state: string
  readonly user: GitHubUser
  readonly comment: string
  readonly environments: readonly { readonly id: number; readonly name: string }[]
}

export interface GitHubJob {
  readonly status: string
  /** ISO 8601. */
  readonly started_at: string | null
  readonly runner_name: string | null
}

export interface GitHubAccess {
  /** `GITHUB_API_URL`, so that GitHub Enterprise Server works. */
  readonly apiUrl?: string | undefined
  readonly token: string
  /** `owner/name`. */
  readonly repository: string
  /** Of one question with its retries and all its pages. */
  readonly deadline?: Milliseconds
  readonly signal?: AbortSignal
}

const DEADLINE: Milliseconds = seconds(15)
const PAGE = 100
/** Far above what any environment has; an answer that promises more never ends. */
const MAX_PAGES = 20

/**
 * A client of one repository's API. Contacts nothing yet. Throws `github-unreachable`, `github-denied`,
 * `github-not-found`, `github-unreadable`, `github-rate-limited`, `github-too-large`, `github-endless`.
 */
export function openGitHub(access: GitHubAccess): GitHubClient {
  const apiUrl = (access.apiUrl ?? 'https://api.github.com').replace(/\/$/, '')
  const deadline = access.deadline ?? DEADLINE
  const [owner = '', repo = ''] = access.repository.split('/')
  exemptAddress(apiUrl)
  const time = serverTime()
  let opened: Promise<GitHubApi> | null = null

  /** Asks under one deadline, including retries and further pages. `path` is for messages. */
  const ask = <T>(path: string, question: (api: GitHubApi, request: QuestionOptions) => Promise<T>): Promise<T> => {
    const endsAt = performance.now() + deadline
    return withinDeadline(
      deadline,
      [access.signal],
      async (signal) => {
        opened ??= openOctokit(apiUrl, access.token, time)
        const api = await opened
        return question(api, { signal, endsAt }).catch((thrown: unknown) => {
          signal.throwIfAborted()
          throw asGitHubError(apiUrl, path, thrown)
        })
      },
      () => unreachable(apiUrl, path, `no answer within ${readableDuration(deadline)}`),
    )
  }
  const bodyOf = (path: string, question: (api: GitHubApi, request: QuestionOptions) => Promise<Answered>) =>
    ask(path, async (api, request): Promise<unknown> => (await question(api, request)).data)

  return {
    time: time.now,

    async environment(name) {
      const path = `/environments/${encodeURIComponent(name)}`
      const found = await bodyOf(path, ({ rest }, request) =>
        rest.repos.getEnvironment({ owner, repo, environment_name: name, request }),
      )
      const sound =
        isObject(found) &&
        isNumber(found.id) &&
        isText(found.name) &&
        isList(found.protection_rules, isRule) &&
        'deployment_branch_policy' in found
      return sound &&
        isOptional(found.can_admins_bypass, isBoolean) &&
        isBranchPolicyKind(found.deployment_branch_policy)
        ? (found as unknown as GitHubEnvironment)
        : unreadable(path)
    },

    branchPolicies(environment) {
      const all = `/environments/${encodeURIComponent(environment)}/deployment-branch-policies`
      return ask(all, async ({ rest }, request) => {
        const policies: GitHubBranchPolicy[] = []
        for (let page = 1; page <= MAX_PAGES; page++) {
          const path = `${all}?per_page=${PAGE}&page=${page}`
          const asked = { owner, repo, environment_name: environment, per_page: PAGE, page, request }
          const found: unknown = (await rest.repos.listDeploymentBranchPolicies(asked)).data
          if (
            !isObject(found) ||
            !isNumber(found.total_count) ||
            !isList(found.branch_policies, (policy) => isText(policy.name))
          )
            return unreadable(path)
          policies.push(...(found.branch_policies as unknown as GitHubBranchPolicy[]))
          if (policies.length >= found.total_count) return policies
          if (found.branch_policies.length === 0) return unreadable(path)
        }
        throw siteError('github-endless', `GitHub's list ${all} has no end after ${MAX_PAGES} pages`, {
          where: `${apiUrl} ${all}`,
          next: 'Allow exactly one branch to use the environment. Check that the API URL leads to GitHub itself.',
        })
      })
    },

    async run(id) {
      const path = `/actions/runs/${id}`
      const found = await bodyOf(path, ({ rest }, request) =>
        rest.actions.getWorkflowRun({ owner, repo, run_id: id, request }),
      )
      const sound =
        isObject(found) &&
        [found.id, found.run_attempt].every(isNumber) &&
        [found.event, found.head_sha, found.path].every(isText) &&
        (found.head_branch === null || isText(found.head_branch)) &&
        [found.actor, found.triggering_actor].every(isUser)
      return sound ? (found as unknown as GitHubRun) : unreadable(path)
    },

    async approvals(runId) {
      const path = `/actions/runs/${runId}/approvals`
      const found = await bodyOf(path, ({ rest }, request) =>
        rest.actions.getReviewsForRun({ owner, repo, run_id: runId, request }),
      )
      const sound = isList(
        found,
        (approval) =>
          isText(approval.state) &&
          isUser(approval.user) &&
          typeof approval.comment === 'string' &&
          isList(approval.environments, (environment) => isNumber(environment.id) && isText(environment.name)),
      )
      return sound ? (found as unknown as GitHubApproval[]) : unreadable(path)
    },

    async jobs(runId) {
      const path = `/actions/runs/${runId}/jobs`
      const found = await bodyOf(path, ({ rest }, request) =>
        rest.actions.listJobsForWorkflowRun({ owner, repo, run_id: runId, per_page: PAGE, request }),
      )
      const texts = (job: JsonObject): boolean =>
        [job.started_at, job.runner_name].every((one) => one === null || typeof one === 'string')
      const sound = isObject(found) && isList(found.jobs, (job) => isText(job.status) && texts(job))
      return sound ? (found.jobs as unknown as GitHubJob[]) : unreadable(path)
    },

    async branchTip(name) {
      const path = `/branches/${encodeURIComponent(name)}`
      const found = await bodyOf(path, ({ rest }, request) =>
        rest.repos.getBranch({ owner, repo, branch: name, request }),
      )
      const commit = isObject(found) ? found.commit : undefined
      return isObject(commit) && isText(commit.sha) ? commit.sha : unreadable(path)
    },
  }
}
/** The content is checked before it is used, regardless of the published types. */
interface Answered {
  readonly data: unknown
}

const isList = (value: unknown, holds: (item: JsonObject) => boolean): value is readonly JsonObject[] =>
  Array.isArray(value) && value.every((item) => isObject(item) && holds(item))
const isNumber = (value: unknown): value is number => typeof value === 'number'
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isOptional = (value: unknown, holds: (value: unknown) => boolean): boolean => value === undefined || holds(value)
const isUser = (value: unknown): boolean =>
  isObject(value) && isNumber(value.id) && isText(value.login) && isOptional(value.type, isText)
const isBranchPolicyKind = (value: unknown): boolean =>
  value === null || (isObject(value) && isBoolean(value.protected_branches) && isBoolean(value.custom_branch_policies))
const isRule = (rule: JsonObject): boolean =>
  isText(rule.type) &&
  isOptional(rule.prevent_self_review, isBoolean) &&
  isOptional(rule.reviewers, (reviewers) =>
    isList(reviewers, ({ type, reviewer }) => isText(type) && isObject(reviewer) && isNumber(reviewer.id)),
  )

function unreadable(path: string): never {
  throw siteError('github-unreadable', `GitHub's answer to GET ${path} lacks what must be in it`, {
    where: path,
    next: 'What cannot be read does not allow anything. Check that the API URL leads to GitHub itself.',
  })
}
