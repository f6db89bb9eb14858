import type { World } from '../composition.ts'
import { StandbyError } from '../errors.ts'
import { staleFacts } from '../planning/facts.ts'
import type { NamedFact, Plan } from '../planning/plan.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { planMove } from '../planning/plan-move.ts'
import { TOOL_VERSION } from '../version.ts'
import { refuseBlockers, refuseStrangers } from './refuse.ts'
import type { Approval } from './reports.ts'

/** Whether plan, approval, stack file and tool belong together. Throws `plan-stale` otherwise. */
export function refuseOtherThanApproved(world: World, plan: Plan, approval: Approval): void {
  const digest = digestOf(plan)
  if (approval.digest !== digest) throw stale(plan, `the approval is for the digest ${approval.digest}, this plan has ${digest}`)
  if (plan.stack.name !== world.stack.name) throw stale(plan, `the plan is for the stack ${plan.stack.name}, this is ${world.stack.name}`)
  if (plan.stack.digest !== world.stack.source.digest)
    throw stale(plan, 'the stack file, or a file that it names, changed since the plan was made')
  if (plan.tool.version !== TOOL_VERSION) throw stale(plan, `the plan was made by version ${plan.tool.version}, this is ${TOOL_VERSION}`)
}

export function refuseExpired(world: World, plan: Plan): void {
  if (Date.parse(plan.expiresAt) > world.clock.now().getTime()) return
  throw new StandbyError({
    code: 'plan-expired',
    mustAct: 'approval',
    what: `the plan expired at ${plan.expiresAt}`,
    next: `Make a new plan: ${planCommand(plan)}`,
  })
}

/** Everything is observed and planned again: what was approved must still be what is true. Returns the facts as they are now; `seen` hears them also when the plan is refused. */
export async function refuseUnlessStillTrue(
  world: World,
  plan: Plan,
  seen: (facts: readonly NamedFact[]) => void = () => undefined,
): Promise<readonly NamedFact[]> {
  const observation = await world.observe()
  refuseStrangers(observation)
  const { id, nonce, tool } = plan
  const now = planMove(world.stack, observation, plan.intent, world.drivers, { id, nonce, toolVersion: tool.version })
  seen(now.facts)
  const moved = staleFacts(plan.facts, now.facts)
  if (moved.length > 0)
    throw stale(plan, moved.map((fact) => `${fact.fact} was ${fact.planned} when the plan was made, is ${fact.now} now`).join('; '))
  refuseBlockers(now.findings, `the ${plan.intent.mode}`)
  return now.facts
}

const stale = (plan: Plan, what: string): StandbyError =>
  new StandbyError({ code: 'plan-stale', mustAct: 'approval', what, next: `Nothing was changed. Make a new plan: ${planCommand(plan)}` })

const planCommand = ({ intent }: Plan): string => `standby failover plan --mode ${intent.mode} --to ${intent.to}`
