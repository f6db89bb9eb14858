import { type GitHubClient, openGitHub } from '../clients/github.ts'
import type { Approval } from '../domain/approval.ts'
import type { Plan } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { asStandbyError, StandbyError } from '../errors/standby-error.ts'
import { ofDigest, ofExpiry, planInQuestion } from './judge-plan.ts'
import { readGitHubApprovalAgain, repositoryOf, runOfPlan } from './read-approval.ts'
import { refusal, refusedFor, refuseFirst } from './refusal.ts'
import { renewalOf } from './renewal.ts'
import { isSigned, judgeStoredApproval } from './stored-approval.ts'

export interface ResumeRequest {
  /**
   * `runs/<run>/approval.json` of the witness, as it was read. Only its signatures count, and they are verified again.
   */
  readonly stored: unknown
  readonly run: string
  readonly plan: Plan
  /** As declared now. */
  readonly stack: Stack
  readonly now: Date
  /** The digest that was reviewed, as the person who resumes gives it; null when not given. */
  readonly digest: string | null
  readonly requestedBy: string
  /** Opens the API of the GitHub server of a run's address; null without a token. */
  readonly github: ((runUrl: string) => GitHubClient) | null
}

/**
 * The approval with which a terminal continues a run that was begun with one of three kinds: signatures, which are
 * verified again; the approval of the GitHub run, which is read again, where reviewers are declared; the reviewed
 * digest, where no approval is demanded. The digest comes from the person who resumes: it binds the plan in the
 * witness, and the GitHub run named in it, to what was reviewed. Throws the first reason to refuse, with the way to a
 * new approval.
 */
export async function readResumeApproval(request: ResumeRequest): Promise<Approval> {
  const { stored, run, plan, stack, now, digest, requestedBy } = request
  const { github, signatures } = stack.approval
  if (isSigned(stored) || (github === undefined && signatures !== undefined))
    return judgeStoredApproval({ stored, run, plan, stack, now })
  const where = `run ${run}`
  const question = planInQuestion(plan)
  const renew = renewalOf(stack, run, question.digest)
  const unproven = (what: string, next: string): StandbyError =>
    refusedFor(refusal('approval-unproven', what, next), where, [], NOTHING_NOW)
  if (digest === null)
    throw unproven(
      `the digest that was reviewed is not given, and the objects in the witness do not prove it`,
      github === undefined
        ? `Give it, as it was shown when the plan was made: standby failover resume --run ${run} --digest <sha256>.`
        : `Give it, as the summary of the plan job shows it, with GITHUB_TOKEN set so that GitHub can be asked for the approval again: standby failover resume --run ${run} --digest <sha256>. Or: ${renew}`,
    )
  refuseFirst(
    [...ofDigest(question, digest), ...ofExpiry(question, now.toISOString())].map((one) => ({ ...one, next: renew })),
    where,
    NOTHING_NOW,
  )
  if (github === undefined)
    return {
      kind: 'local',
      digest,
      approvers: [],
      requestedBy,
      reason: null,
      proof: { purpose: { operation: 'resume', run } },
    }
  if (request.github === null)
    throw unproven(
      'the run was approved on GitHub, which cannot be asked for that without a token',
      `Set GITHUB_TOKEN to one that may read Actions. Or: ${renew}`,
    )
  const { url } = runOfPlan(plan)
  return readGitHubApprovalAgain({ github: request.github(url), stack, plan, digest, now }).catch((thrown: unknown) => {
    const error = asStandbyError(thrown)
    throw new StandbyError({
      code: error.code,
      mustAct: error.mustAct,
      what: error.message,
      where: error.where ?? where,
      next: `${error.next ?? ''} Or: ${renew}`.trim(),
      cause: error,
    })
  })
}

/** Of a run that was begun. */
const NOTHING_NOW = 'Nothing was changed now.'

/**
 * How a terminal asks GitHub: with GITHUB_TOKEN or GH_TOKEN, at GITHUB_API_URL, or at the API of the server in
 * GITHUB_SERVER_URL (default: github.com). A run of another server is refused, so a token is never sent to an address
 * that a plan names. Null without a token.
 */
export function gitHubFromTerminal(
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): ((runUrl: string) => GitHubClient) | null {
  const token = [env.GITHUB_TOKEN, env.GH_TOKEN].find((one) => one !== undefined && one !== '')
  if (token === undefined) return null
  const server = (env.GITHUB_SERVER_URL ?? 'https://github.com').replace(/\/$/, '')
  return (runUrl) => {
    const { origin } = new URL(runUrl)
    if (origin !== server)
      throw new StandbyError({
        code: 'approval-unproven',
        mustAct: 'approval',
        what: `the plan was made on ${origin}, and this terminal asks ${server}`,
        next: `Set GITHUB_SERVER_URL to ${origin} if that is your GitHub.`,
      })
    const apiUrl = env.GITHUB_API_URL ?? (server === 'https://github.com' ? undefined : `${server}/api/v3`)
    return openGitHub({ token, repository: repositoryOf(runUrl), signal, ...(apiUrl === undefined ? {} : { apiUrl }) })
  }
}

/**
 * The approval for a terminal that takes a run back: none is needed, and the witness does not prove who gave an earlier
 * one.
 */
export function abortApproval(of: {
  readonly run: string
  readonly digest: string
  readonly requestedBy: string
  readonly reason: string | null
}): Approval {
  const { run, digest, requestedBy, reason } = of
  return { kind: 'local', digest, approvers: [], requestedBy, reason, proof: { purpose: { operation: 'abort', run } } }
}
