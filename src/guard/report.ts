import { type Milliseconds, minutes, seconds } from '../values/duration.ts'
import { isObject, type JsonObject } from '../values/json.ts'
import { parseStrictly } from '../values/strict-json.ts'
import type { Decision } from './decide.ts'

/** The report of a guard about itself: in a ConfigMap of its namespace, or in a file on its machine. */
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
  /** Why the witness cannot be read; null: it can. */
  readonly witnessSilent: string | null
  /** Fences that hold and are needed: without them the site would be open. Passive components need none. */
  readonly closed: readonly string[]
  /** The steps that should be closed and could not be yet, and why. */
  readonly open: readonly { readonly what: string; readonly why: string }[]
  /** The last time that something was open and was closed; null: never in this guard's life. */
  readonly lastClosing: { readonly at: string; readonly steps: readonly string[] } | null
  /** Hash of what was deployed. */
  readonly configuration: string
  /**
   * The closing time by the guard's own settings, milliseconds (`closing-time.ts`); null: not by time alone. A failover
   * waits for the guard only while these settings are the declared ones.
   */
  readonly closesWithin: Milliseconds | null
  /** On a machine: the units that would start without the guard's leave, and why. */
  readonly gatesMissing?: readonly { readonly what: string; readonly why: string }[]
}

/** A guard writes at each change, and at least this often. */
export const HEARTBEAT: Milliseconds = seconds(30)
/** An older report does not prove that the guard runs: four heartbeats. */
export const STALE_AFTER: Milliseconds = minutes(2)

/** The key of the ConfigMap. */
export const REPORT_KEY = 'report'

/**
 * The report in a ConfigMap's data; null when there is none yet, or when the data is not a report: anyone with write
 * access to the namespace can leave any data there.
 */
export const reportIn = (data: unknown): GuardReport | null => reportOf(isObject(data) ? data[REPORT_KEY] : undefined)

/** The report in a text; null when it is none. */
export function reportOf(text: unknown): GuardReport | null {
  const parsed = typeof text === 'string' ? parseStrictly(text) : null
  return parsed !== null && 'value' in parsed && isReport(parsed.value)
    ? (parsed.value as unknown as GuardReport)
    : null
}

/** Whether all fields have their types; `closesWithin` is missing in reports from before 2026-11-25. */
function isReport(value: unknown): value is JsonObject {
  if (!isObject(value) || value.schemaVersion !== 1) return false
  const {
    at,
    since,
    site,
    decision,
    because,
    epoch,
    activeSite,
    witnessSilent,
    closed,
    open,
    lastClosing,
    configuration,
    closesWithin,
    gatesMissing = [],
  } = value
  return (
    [at, since].every((instant) => typeof instant === 'string' && Number.isFinite(Date.parse(instant))) &&
    [site, because, configuration].every(isText) &&
    (decision === 'stand-by' || decision === 'close') &&
    Number.isSafeInteger(epoch) &&
    [activeSite, witnessSilent].every((one) => one === null || isText(one)) &&
    isListOf(closed, isText) &&
    [open, gatesMissing].every((list) =>
      isListOf(list, (one) => isObject(one) && isText(one.what) && isText(one.why)),
    ) &&
    (lastClosing === null ||
      (isObject(lastClosing) && isText(lastClosing.at) && isListOf(lastClosing.steps, isText))) &&
    (closesWithin === undefined || closesWithin === null || Number.isFinite(closesWithin))
  )
}
const isText = (value: unknown): boolean => typeof value === 'string'
const isListOf = (value: unknown, fits: (one: unknown) => boolean): boolean => Array.isArray(value) && value.every(fits)
