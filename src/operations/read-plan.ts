import { readFile } from 'node:fs/promises'
import type { Plan } from '../domain/plan.ts'
import { inputError } from '../errors/standby-error.ts'
import { parseStrictly } from '../values/strict-json.ts'
import { decode } from '../witness/decode.ts'
import { planDocument } from '../witness/documents.ts'

/**
 * The plan in a file, if it is a plan of this tool for this target. Its digest decides whether it is the approved one.
 */
export async function readPlan(path: string, to: string | null): Promise<Plan> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw inputError('plan-not-found', `the plan ${path} cannot be read (${error.code ?? error.message})`, {
      next: 'Give the file that the plan job wrote.',
    })
  })
  // A plan that was downloaded from the witness is valid too. Its stack is checked later, with a message of its own.
  const decoded = decode(planDocument, path, parse(text, path), null)
  if (decoded.kind === 'damaged')
    throw inputError('plan-invalid', `${path} is not a plan of this tool: ${decoded.path} ${decoded.what}`, {
      where: `${path} ${decoded.path}`,
      next: 'Make a new plan: standby failover plan',
    })
  const plan = decoded.record
  if (to !== null) refuseOtherTarget(plan, to)
  return plan
}

/** Refuses a plan for a site other than the confirmed one. */
export function refuseOtherTarget(plan: Plan, to: string): void {
  if (plan.intent.to === to) return
  throw inputError('plan-for-another-site', `the plan is for ${plan.intent.to}, and ${to} was asked for`, {
    next: 'Nothing was changed.',
  })
}

function parse(text: string, path: string): unknown {
  const parsed = parseStrictly(text)
  if ('value' in parsed) return parsed.value
  throw inputError('plan-invalid', `${path} ${parsed.why}`, { next: 'Make a new plan: standby failover plan' })
}
