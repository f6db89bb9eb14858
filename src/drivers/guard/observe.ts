import type { Observed } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { type GuardReport, reportIn, STALE_AFTER } from '../../guard/report.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'
import { deploymentReference, reportReference } from './deploy.ts'
import type { GuardComponent } from './spec.ts'

export interface GuardState {
  /** Pods that are ready; on hosts: machines whose guard runs. */
  readonly ready: number
  /** null: there is none, or each machine has one of its own. */
  readonly report: GuardReport | null
  /** On hosts: the guard of each machine. */
  readonly machines?: Readonly<Record<string, MachineGuard>>
}
export interface MachineGuard {
  /** Why the machine does not answer; null: it does. */
  readonly silent: string | null
  readonly installed: boolean
  readonly active: boolean
  readonly report: GuardReport | null
}

/** The reports of all guards of a site. */
export const reportsIn = ({ report, machines = {} }: GuardState): GuardReport[] =>
  [report, ...Object.values(machines).map((one) => one.report)].filter((one) => one !== null)

/**
 * Whether a site's guard runs, and what it reports of itself. It has no role of its own: it is the same on every site.
 */
export async function observeGuard(
  _component: GuardComponent,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<GuardState>> {
  const { stack, clock, signal } = context
  const kubernetes = context.platform(KUBERNETES, site)
  const reference = deploymentReference(stack.name)
  const [deployment, found] = await Promise.all([
    kubernetes.get(reference, { signal }),
    kubernetes.get(reportReference(stack.name), { signal }),
  ])
  if (deployment === null)
    return { kind: 'absent', why: `there is no Deployment ${reference.namespace}/${reference.name}` }
  const ready = (deployment.status as { readonly readyReplicas?: number } | undefined)?.readyReplicas ?? 0
  const report = reportIn(found?.data)
  const age = report === null ? null : clock.now().getTime() - Date.parse(report.at)
  return {
    kind: 'answering',
    state: { ready, report },
    role: 'unknown',
    health: healthOf(ready, report, age),
    text: report === null ? 'it never reported' : textOf(report, age ?? 0),
    facts: [],
  }
}

function healthOf(
  ready: number,
  report: GuardReport | null,
  age: Milliseconds | null,
): 'healthy' | 'degraded' | 'down' {
  if (ready === 0) return 'down'
  const current = report !== null && age !== null && Math.abs(age) <= STALE_AFTER
  return current && report.open.length === 0 ? 'healthy' : 'degraded'
}

const textOf = (report: GuardReport, age: Milliseconds): string =>
  `${activityOf(report)}, epoch ${report.epoch}, ${readableDuration(Math.max(0, age))} ago`

function activityOf({ decision, because, open, closed }: GuardReport): string {
  if (decision === 'stand-by') return because === 'active' ? 'watches' : 'watches, witness silent'
  if (open.length > 0) return `CLOSES, ${open.length} open`
  return closed.length > 0 ? `holds ${closed.length} closed` : 'nothing to close'
}
