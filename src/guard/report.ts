import { type Milliseconds, minutes, seconds } from '../duration.ts'
import type { Decision } from './decide.ts'

/** What a guard says of itself, in a ConfigMap beside it. */
export interface GuardReport {
  readonly schemaVersion: 1
  /** ISO 8601, of the site's own clock. */
  readonly at: string
  /** Since when the decision stands. */
  readonly since: string
  readonly site: string
  readonly decision: Decision['do']
  readonly because: Decision['because']
  readonly epoch: number
  readonly activeSite: string | null
  /** Why the witness can not be read; null: it can. */
  readonly witnessSilent: string | null
  /** Fences that hold and are needed: without them the site would be open. What is passive by itself needs none. */
  readonly closed: readonly string[]
  /** What should be closed and could not be yet, and why. */
  readonly open: readonly { readonly what: string; readonly why: string }[]
  /** The last time that something was open and was closed; null: never in this guard's life. */
  readonly lastClosing: { readonly at: string; readonly steps: readonly string[] } | null
  /** Hash of what was deployed. */
  readonly configuration: string
  /** By its own rules, milliseconds (`closing-time.ts`); null: not by time alone. A failover outwaits it only while these are the declared ones. */
  readonly closesWithin: Milliseconds | null
}

/** A guard writes at each change, and at least this often. */
export const HEARTBEAT: Milliseconds = seconds(30)
/** A report that is older is no proof that anybody watches: four heartbeats. */
export const STALE_AFTER: Milliseconds = minutes(2)

/** The key of the ConfigMap. */
export const REPORT_KEY = 'report'

/** The report in a ConfigMap's data; null when there is none yet, or none that can be read. */
export function reportIn(data: unknown): GuardReport | null {
  const text = (data as Readonly<Record<string, unknown>> | null | undefined)?.[REPORT_KEY]
  if (typeof text !== 'string') return null
  try {
    const report = JSON.parse(text) as GuardReport
    return report.schemaVersion === 1 && Number.isFinite(Date.parse(report.at)) ? report : null
  } catch {
    return null
  }
}
