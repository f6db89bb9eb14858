import { createHash } from 'node:crypto'
import type { Plan } from '../domain/plan.ts'
import { canonicalJson, type Json } from '../values/json.ts'

/** SHA-256, in hex, of the plan's canonical JSON: what a reviewer approves, down to the last parameter. */
export function digestOf(plan: Plan): string {
  return createHash('sha256')
    .update(canonicalJson(plan as unknown as Json))
    .digest('hex')
}
