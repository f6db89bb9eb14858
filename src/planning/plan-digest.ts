import { createHash } from 'node:crypto'
import type { Plan } from '../domain/plan.ts'
import { canonicalJson, type Json } from '../values/json.ts'

/** SHA-256, in hex, of the plan's canonical JSON: what a reviewer approves, down to the last parameter. */
export const digestOf = (plan: Plan): string => sha256Of(plan as unknown as Json)

/** SHA-256, in hex, of canonical JSON. */
export const sha256Of = (value: Json): string => createHash('sha256').update(canonicalJson(value)).digest('hex')
