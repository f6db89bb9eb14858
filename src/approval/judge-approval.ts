import type { GitHubApproval, GitHubRun, GitHubUser } from '../clients/github.ts'
import { accountText, isPerson } from './is-person.ts'
import { type Gate, judgeEnvironment, mayReview } from './judge-environment.ts'
import { ofDigest, ofExpiry, type PlanInQuestion } from './judge-plan.ts'
import { isBoundByExpiry, type Purpose } from './purpose.ts'
import { type Refusal, refusal } from './refusal.ts'

/** All answers of GitHub that an approval is judged by. */
export interface ApprovalEvidence {
  readonly expected: {
    readonly branch: string
    /** How many different people must have approved, over all gates. */
    readonly approvers: number
    readonly runId: number
    /** The page of this run: the reviewers of this run did not see a plan that another run made. */
    readonly runUrl: string
    /**
     * `GITHUB_REF` of this job: GitHub matches the environment's branches against it, and a tag may have the name of a
     * branch.
     */
    readonly ref: string
    /** `GITHUB_SHA` of this job. */
    readonly sha: string
    /** `GITHUB_RUN_ATTEMPT` of this job. */
    readonly attempt: number
    readonly digest: string
    readonly purpose: Purpose
  }
  /** ISO 8601: time comes in as a value. */
  readonly now: string
  readonly plan: PlanInQuestion
  /** One for each environment that the stack file names. */
  readonly gates: readonly Gate[]
  readonly run: GitHubRun
  readonly approvals: readonly GitHubApproval[]
  readonly branchTip: string
}

/**
 * Every reason to refuse; empty when the reviewers allowed exactly this run. GitHub's gate fails open (it creates an
 * unknown environment without rules), so a setting that is missing counts as off. Pure.
 */
export function judgeApproval(evidence: ApprovalEvidence): Refusal[] {
  const { gates, expected } = evidence
  return [
    ...ofPlan(evidence),
    ...gates.flatMap((gate) => judgeEnvironment(gate, expected.branch)),
    ...ofRun(evidence),
    ...gates.flatMap((gate) => ofGate(gate, evidence)),
    ...ofNumber(evidence),
  ]
}

function ofPlan({ plan, expected, now }: ApprovalEvidence): Refusal[] {
  const found = ofDigest(plan, expected.digest)
  if (!isBoundByExpiry(expected.purpose)) return found
  if (plan.madeIn !== expected.runUrl)
    found.push(
      refusal(
        'plan-of-another-run',
        `the plan was made ${plan.madeIn === null ? 'outside of GitHub' : `in ${plan.madeIn}`}, and ${expected.runUrl} was approved`,
        'Execute the plan of the plan job of the same run.',
      ),
    )
  return [...found, ...ofExpiry(plan, now)]
}

/**
 * Events that need write access, or that the repository itself declares. Strangers can cause other events, such as
 * `pull_request_target`.
 */
const EVENTS = ['workflow_dispatch', 'repository_dispatch', 'push', 'schedule']

function ofRun({ run, expected, branchTip }: ApprovalEvidence): Refusal[] {
  const found: Refusal[] = []
  if (run.id !== expected.runId)
    found.push(refusal('run-mismatch', `GitHub answered with the run ${run.id}`, 'Start the workflow anew.'))
  // Entries carry no time and no attempt: an approval of attempt 1 looks like one of attempt 2.
  if (run.run_attempt !== 1 || expected.attempt !== 1)
    found.push(
      refusal(
        'rerun-refused',
        `this is attempt ${Math.max(run.run_attempt, expected.attempt)} of the run`,
        'Start the workflow anew: a re-run would use an old approval.',
      ),
    )
  for (const account of new Set([run.actor, run.triggering_actor].filter((user) => !isPerson(user)).map(accountText)))
    found.push(
      refusal(
        'requester-not-a-person',
        `the run was started by ${account}`,
        'A person must start it: otherwise a reviewer could let a workflow or an app start it, and approve their own request.',
      ),
    )
  if (!EVENTS.includes(run.event))
    found.push(
      refusal(
        'event-not-allowed',
        `the run was started by the event ${run.event}`,
        `Start it by one of ${EVENTS.join(', ')}.`,
      ),
    )
  if (run.head_branch !== expected.branch || expected.ref !== `refs/heads/${expected.branch}`)
    found.push(
      refusal(
        'branch-not-allowed',
        `the run belongs to ${run.head_branch ?? '(no branch)'}, this job to ${expected.ref}`,
        `Start it from the branch ${expected.branch}.`,
      ),
    )
  if (run.head_sha !== expected.sha)
    found.push(
      refusal('run-mismatch', `the run is of ${run.head_sha}, this job of ${expected.sha}`, 'Start the workflow anew.'),
    )
  if (branchTip !== expected.sha)
    found.push(
      refusal(
        'branch-moved',
        `${expected.branch} is at ${branchTip}, this run is of ${expected.sha}`,
        'Start the workflow from the newest commit.',
      ),
    )
  return found
}

/** By id and name: a deleted environment that was made anew has another id. */
const entriesOf = (approvals: readonly GitHubApproval[], { environment: { id, name } }: Gate): GitHubApproval[] =>
  approvals.filter((entry) => entry.environments.some((one) => one.id === id && one.name === name))

/** By id: a login can be renamed and taken over. */
const isRequester = (run: GitHubRun, user: GitHubUser): boolean =>
  [run.actor.id, run.triggering_actor.id].includes(user.id)

/** Each environment needs an approval of its own, by one of its own reviewers who did not ask for the move. */
function ofGate(gate: Gate, { approvals, run }: ApprovalEvidence): Refusal[] {
  const ours = entriesOf(approvals, gate)
  if (ours.some((entry) => entry.state === 'rejected'))
    return [refusal('approval-rejected', `${gate.name} was rejected for this run`, 'Ask the reviewer.')]
  const given = ours.filter((entry) => entry.state === 'approved')
  if (given.length === 0)
    return [
      refusal(
        'not-approved',
        `${gate.name} was not approved for this run`,
        'The job must name the environment, and a reviewer must approve it.',
      ),
    ]
  const byPeople = given.filter((entry) => isPerson(entry.user))
  if (byPeople.length === 0)
    return [
      refusal(
        'approver-not-a-person',
        `${[...new Set(given.map(({ user }) => accountText(user)))].join(', ')} approved ${gate.name}`,
        'A person who is one of its reviewers must approve: an app does what it is configured to do.',
      ),
    ]
  const independent = byPeople.filter((entry) => !isRequester(run, entry.user))
  if (independent.length === 0)
    return [
      refusal(
        'approver-is-requester',
        `${namesOf(byPeople)} started this run and approved it`,
        'Another person must approve.',
      ),
    ]
  return independent.some((entry) => mayReview(gate.environment, entry.user))
    ? []
    : [
        refusal(
          'approver-not-reviewer',
          `${namesOf(independent)} is no reviewer of ${gate.name}`,
          'One of its reviewers must approve.',
        ),
      ]
}

/**
 * Counts a person who approved two environments once. Applies only where each environment is approved: otherwise the
 * missing approval is the reason.
 */
function ofNumber(evidence: ApprovalEvidence): Refusal[] {
  const { expected, gates } = evidence
  const people = approversOf(evidence)
  if (people.length >= expected.approvers || gates.some((gate) => ofGate(gate, evidence).length > 0)) return []
  return [
    refusal(
      'approvers-too-few',
      `${people.map((one) => one.name).join(', ') || 'no person'} approved, and ${expected.approvers} different people must`,
      'Start the workflow anew, and let another reviewer approve each environment.',
    ),
  ]
}

const namesOf = (entries: readonly GitHubApproval[]): string =>
  [...new Set(entries.map((entry) => entry.user.login))].join(', ')

/** The people whose approval counts, each once, by id: reviewers of an environment who did not start the run. */
export function approversOf({
  approvals,
  gates,
  run,
}: ApprovalEvidence): { readonly id: string; readonly name: string }[] {
  const people = new Map(
    gates
      .flatMap((gate) => entriesOf(approvals, gate).filter(({ user }) => mayReview(gate.environment, user)))
      .filter(({ state, user }) => state === 'approved' && isPerson(user) && !isRequester(run, user))
      .map(({ user }) => [user.id, user.login]),
  )
  return [...people].map(([id, name]) => ({ id: String(id), name }))
}
