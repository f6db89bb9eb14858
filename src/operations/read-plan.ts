import { readFile } from 'node:fs/promises'
import { inputError } from '../errors.ts'
import { withoutWriteId } from '../execution/conditional-store.ts'
import { isObject } from '../json.ts'
import type { Plan } from '../planning/plan.ts'

/** The plan in a file, if it is one of ours for this target. Whether it is the approved one, its digest decides. */
export async function readPlan(path: string, to: string | null): Promise<Plan> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw inputError('plan-not-found', `the plan ${path} can not be read (${error.code ?? error.message})`, {
      next: 'Hand over the file that the plan job wrote.',
    })
  })
  const plan = parse(text, path)
  if (!isPlan(plan)) throw inputError('plan-invalid', `${path} is no plan of this tool`, { next: 'Make a new plan: standby failover plan' })
  if (to !== null) refuseOtherTarget(plan, to)
  return plan
}

/** What is executed is what was confirmed. */
export function refuseOtherTarget(plan: Plan, to: string): void {
  if (plan.intent.to === to) return
  throw inputError('plan-for-another-site', `the plan is for ${plan.intent.to}, and ${to} was asked for`, { next: 'Nothing was changed.' })
}

/** Enough to compare it with what was approved; the digest covers the rest. */
function isPlan(plan: Partial<Plan> | null): boolean {
  if (plan === null || typeof plan !== 'object') return false
  const texts = [
    plan.id,
    plan.stack?.name,
    plan.stack?.digest,
    plan.tool?.version,
    plan.intent?.from,
    plan.intent?.to,
    plan.expiresAt,
    plan.nonce,
  ]
  return (
    plan.schemaVersion === 1 &&
    plan.tool?.name === 'standby' &&
    texts.every((text) => typeof text === 'string' && text !== '') &&
    [plan.epoch, plan.predictions?.learned?.runs].every(Number.isInteger) &&
    [plan.steps, plan.facts, plan.findings, plan.fencing?.planned, plan.liveness?.sightings, plan.predictions?.loss?.seconds].every(
      Array.isArray,
    )
  )
}

function parse(text: string, path: string): Plan {
  try {
    const plan: unknown = JSON.parse(text)
    // A plan that was downloaded from the witness.
    return (isObject(plan) ? withoutWriteId(plan) : plan) as Plan
  } catch {
    // The parser's own message would quote the file, which may be a kubeconfig by mistake; and refusals are recorded.
    throw inputError('plan-invalid', `${path} is not JSON`, { next: 'Make a new plan: standby failover plan' })
  }
}
