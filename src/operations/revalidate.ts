import { ofExpiry, planInQuestion } from '../approval/judge-plan.ts'
import { refuseFirst } from '../approval/refusal.ts'
import { renewalOf } from '../approval/renewal.ts'
import type { World } from '../composition/connect.ts'
import type { Finding, NamedFact, Plan } from '../domain/plan.ts'
import { StandbyError, siteError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { staleFacts } from '../planning/facts.ts'
import { blockers } from '../planning/findings.ts'
import { planCommand } from '../planning/plan-command.ts'
import { refuseDefective } from '../planning/plan-defects.ts'
import { type PlanDifference, sayDifference } from '../planning/plan-difference.ts'
import { planDifferences } from '../planning/plan-differences.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { planMove } from '../planning/plan-move.ts'
import { mayBeUnanswered } from '../planning/unanswered.ts'
import { TOOL_VERSION } from '../runtime/version.ts'
import { runOfHolder } from '../witness/lock-holder.ts'
import { witnessTime } from '../witness/time.ts'
import { observeDeclared } from './observe-declared.ts'
import type { RunOfPlan } from './run-of-plan.ts'

/**
 * Whether plan, approval, stack file and tool belong together, and the plan shows no defect. Throws `plan-stale` or
 * `plan-defect` otherwise. A run can be taken back regardless of defects in its plan: that is the way out.
 */
export async function refuseOtherThanApproved(world: World, { plan, approval, run, how }: RunOfPlan): Promise<void> {
  const { stack, drivers } = world
  const digest = digestOf(plan)
  const begun = how !== 'begin'
  const refuse = (what: string, forRun: string): never => {
    throw begun ? stale(what, `Nothing was changed now. ${forRun}`) : stale(what, newPlan(plan))
  }
  const again = `standby failover ${how} --run ${run}`
  if (approval.digest !== digest)
    refuse(`the approval is for the digest ${approval.digest}, this plan has ${digest}`, renewalOf(stack, run, digest))
  if (plan.stack.name !== stack.name)
    refuse(
      `the plan is for the stack ${plan.stack.name}, this is ${stack.name}`,
      `Name the stack file of ${plan.stack.name}: ${again}`,
    )
  if (plan.stack.digest !== stack.source.digest)
    refuse(
      begun
        ? `run ${run} was begun with a stack file of the digest ${plan.stack.digest}; ${stack.source.path} and the files that it names have ${stack.source.digest}`
        : 'the stack file, or a file that it names, changed since the plan was made',
      `Check out the stack file as it was at ${plan.madeAt}, when the plan was made, and continue there: ${again}`,
    )
  if (plan.tool.version !== TOOL_VERSION)
    refuse(
      `the plan was made by version ${plan.tool.version}, this is ${TOOL_VERSION}`,
      `Use version ${plan.tool.version}: ${again}`,
    )
  if (how !== 'abort')
    refuseDefective(plan, { stack, drivers, now: await witnessTime(world.store, world.clock) }, begun ? run : null)
}

/**
 * The names of actions and their records belong to one version: another version could neither perform nor undo an
 * unknown step in the middle of a move. Throws `other-version` before anything else of the run is judged.
 */
export function refuseOtherVersion({ plan, run, how }: Omit<RunOfPlan, 'approval'>): void {
  const { version } = plan.tool
  if (version === TOOL_VERSION) return
  throw new StandbyError({
    code: 'other-version',
    mustAct: 'approval',
    what: `run ${run} was begun by version ${version} of Standby, this is ${TOOL_VERSION}`,
    next: `Nothing was changed now. Use version ${version}: standby failover ${how} --run ${run}`,
  })
}

/** Throws `plan-expired`. */
export const refuseExpired = async ({ store, clock }: World, plan: Plan): Promise<void> =>
  refuseFirst(ofExpiry(planInQuestion(plan), (await witnessTime(store, clock)).toISOString()), `plan ${plan.id}`)

/**
 * Observes and plans everything again: the approved plan must still hold. Returns the observation, so that the caller
 * does not observe again. A lock of this same run does not count. `seen` receives the facts even when the plan is
 * refused.
 */
export async function revalidatePlan(
  world: World,
  plan: Plan,
  run: string,
  seen: (facts: readonly NamedFact[]) => void = () => undefined,
): Promise<Observation> {
  const differences = (anew: Plan): PlanDifference[] => planDifferences(plan, anew, world.stack, world.drivers)
  const first = await plannedAgain(world, plan, run)
  // A single late answer gets a second look before it invalidates the approval.
  const differed = differences(first.plan).length > 0
  const now = mayBeUnanswered(plan, first.plan, differed) ? await plannedAgain(world, plan, run) : first
  seen(now.plan.facts)
  const moved = staleFacts(plan.facts, now.plan.facts).map(
    (fact) => `${fact.fact} was ${fact.planned} when the plan was made, is ${fact.now} now`,
  )
  // A changed fact explains the differences that follow from it; a blocking finding explains more than a missing step.
  if (moved.length > 0) throw stale(moved.join('; '), newPlan(plan))
  refuseBlocked(now.plan)
  const differing = differences(now.plan).map(sayDifference)
  for (const finding of notShown(plan, now.plan))
    world.log.warning(`${finding.code} is not in the approved plan: ${finding.what}`)
  if (differing.length > 0)
    throw stale(`the plan is not the one that would be made now: ${firstOf(differing)}`, newPlan(plan))
  return now.observation
}

/**
 * Current warnings that the approved plan does not contain: they are new, or were removed from the file. Pure.
 */
function notShown(approved: Plan, now: Plan): Finding[] {
  const shown = new Set(approved.findings.map(keyOf))
  return now.findings.filter((finding) => finding.severity === 'warning' && !shown.has(keyOf(finding)))
}
const keyOf = ({ code, site, component }: Finding): string => [code, site, component].join(' ')

/** How many differences are named: a person reads the first few, and an unrelated plan differs in everything. */
const MOST_SAID = 5
const firstOf = (texts: readonly string[]): string =>
  [...texts.slice(0, MOST_SAID), ...(texts.length > MOST_SAID ? [`and ${texts.length - MOST_SAID} more`] : [])].join(
    '; ',
  )

async function plannedAgain(
  world: World,
  { intent, id, nonce, tool }: Plan,
  run: string,
): Promise<{ readonly plan: Plan; readonly observation: Observation }> {
  const observation = await observeDeclared(world)
  const identity = { id, nonce, toolVersion: tool.version }
  return { plan: planMove(world.stack, withoutLockOf(run, observation), intent, world.drivers, identity), observation }
}

/** An error with the code of the first blocker, which names all of them. */
function refuseBlocked({ findings, intent }: Plan): void {
  const blocking = blockers(findings)
  const [first] = blocking
  if (first === undefined) return
  const where = [first.site, first.component].filter((part) => part !== undefined).join(' ')
  throw siteError(first.code, `the ${intent.mode} is refused: ${blocking.map(({ what }) => what).join('; ')}`, {
    ...(where === '' ? {} : { where }),
    next: first.next ?? 'Nothing was changed.',
  })
}

function withoutLockOf(run: string, observation: Observation): Observation {
  const { witness } = observation
  if (witness.kind !== 'answering' || witness.lock === null || runOfHolder(witness.lock.holder) !== run)
    return observation
  return { ...observation, witness: { ...witness, lock: null } }
}

const stale = (what: string, next: string): StandbyError =>
  new StandbyError({ code: 'plan-stale', mustAct: 'approval', what, next })

const newPlan = (plan: Plan): string => `Nothing was changed. Make a new plan: ${planCommand(plan.intent)}`
