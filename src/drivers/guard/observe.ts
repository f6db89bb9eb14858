import type { BySite, Observed } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { DriverContext } from '../../driver/context.ts'
import { type Say, sayAt } from '../../driver/say.ts'
import { closesWithin } from '../../guard/closing-time.ts'
import { type GuardReport, reportIn, STALE_AFTER } from '../../guard/report.ts'
import { levelByItself } from '../../planning/self-fencing.ts'
import { readableDuration } from '../../values/duration.ts'
import { deploymentReference, reportReference } from './deploy.ts'
import { type GuardComponent, rulesOf } from './spec.ts'

export interface GuardState {
  readonly ready: number
  readonly report: GuardReport | null
}

/** Whether a site's guard runs, and what it says of itself. It has no role of its own: it is the same on every site. */
export async function observeGuard(
  _component: GuardComponent,
  site: SiteName | null,
  context: DriverContext,
): Promise<Observed<GuardState>> {
  if (site === null) return { kind: 'absent', why: 'a guard belongs to a site' }
  const { name } = context.stack
  const [deployment, found] = await Promise.all([
    context.kubernetes(site).get(deploymentReference(name), { signal: context.signal }),
    context.kubernetes(site).get(reportReference(name), { signal: context.signal }),
  ])
  if (deployment === null)
    return {
      kind: 'absent',
      why: `there is no Deployment ${deploymentReference(name).namespace}/${deploymentReference(name).name}`,
    }
  const ready = (deployment.status as { readonly readyReplicas?: number } | undefined)?.readyReplicas ?? 0
  const report = reportIn(found?.data)
  const age = report === null ? Number.POSITIVE_INFINITY : context.clock.now().getTime() - Date.parse(report.at)
  return {
    kind: 'answering',
    state: { ready, report },
    role: 'unknown',
    health:
      ready === 0 ? 'down' : Math.abs(age) > STALE_AFTER || (report?.open.length ?? 0) > 0 ? 'degraded' : 'healthy',
    text: textOf(report, age),
    facts: [],
  }
}

function textOf(report: GuardReport | null, age: number): string {
  if (report === null) return 'it never reported'
  const does =
    report.decision === 'stand-by'
      ? report.because === 'active'
        ? 'watches'
        : 'watches, witness silent'
      : report.open.length > 0
        ? `CLOSES, ${report.open.length} open`
        : report.closed.length > 0
          ? `holds ${report.closed.length} closed`
          : 'nothing to close'
  return `${does}, epoch ${report.epoch}, ${readableDuration(Math.max(0, age))} ago`
}

/** What a person should know of the guards. Pure. */
export function assessGuards(
  component: GuardComponent,
  states: BySite<GuardState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const ofSites = assessment.stack.sites.flatMap(({ name: site }): Finding[] => {
    const seen = states[site]
    const say = sayAt(component, site)
    // That a site is silent is reported by the core.
    if (seen === undefined || seen.kind === 'silent') return []
    if (seen.kind === 'absent' || seen.state.ready === 0) {
      const why = seen.kind === 'absent' ? seen.why : 'its pod is not ready'
      const next =
        seen.kind === 'absent'
          ? 'Deploy.'
          : `kubectl -n ${reportReference(assessment.stack.name).namespace} describe pods`
      return [
        say(
          'guard-not-running',
          'warning',
          `the guard of ${site} does not run (${why}): after a failover ${site} would come back open`,
          next,
        ),
      ]
    }
    const { report } = seen.state
    const age = report === null ? null : Date.parse(assessment.now) - Date.parse(report.at)
    const log = `kubectl -n ${reportReference(assessment.stack.name).namespace} logs deployment/${reportReference(assessment.stack.name).name}`
    // One that is dated ahead would look fresh for as long as that, whether its guard lives or hangs.
    if (age !== null && age < -STALE_AFTER)
      return [
        say(
          'guard-stale',
          'warning',
          `the guard of ${site} dates its report ${readableDuration(-age)} ahead: nobody can tell how old it is`,
          `Set the clocks of the nodes of ${site} (NTP). ${log}`,
        ),
      ]
    if (report === null || age === null || age > STALE_AFTER)
      return [
        say(
          'guard-stale',
          'warning',
          `the guard of ${site} ${age === null ? 'never reported, or what it left is no report' : `last reported ${readableDuration(age)} ago`}`,
          log,
        ),
      ]
    return ofReport(report, site, intent, assessment, log, say)
  })
  return [...(intent === null ? withoutTime(component, assessment) : []), ...ofSites]
}

/** Told on a quiet day: on the day of the failover the plan would be refused. */
function withoutTime(component: GuardComponent, { stack }: Assessment): Finding[] {
  const { failover } = stack.fencing
  if (levelByItself(failover) === null || closesWithin(rulesOf(component.spec)) !== null) return []
  return [
    {
      code: 'guard-without-time',
      severity: 'warning',
      component: component.name,
      what: `fencing.failover: ${failover} can not be reached on a site that nobody reaches: without closeAfter its guard promises no time that could be waited for`,
      next: `Declare closeAfter of ${component.name}, or switch the power of a lost site off (driver command).`,
    },
  ]
}

function ofReport(
  report: GuardReport,
  site: SiteName,
  intent: Intent | null,
  assessment: Assessment,
  log: string,
  say: Say,
): Finding[] {
  // A guard would close the new active site under the feet of its users.
  const becomesActive = intent !== null && intent.mode !== 'rejoin' && intent.to === site
  const found: Finding[] = []
  if (report.witnessSilent !== null)
    found.push(
      say(
        'guard-blind',
        becomesActive ? 'blocker' : 'warning',
        `the guard of ${site} can not read the witness: ${report.witnessSilent}`,
        `Mend active.json, its way to the witness, or its keys; where it once believed a wrong epoch, delete its pod, which forgets it. ${log}`,
      ),
    )
  if (report.open.length > 0)
    found.push(
      say(
        'guard-cannot-close',
        'warning',
        `${site} has to be closed, and its guard can not: ${report.open.map(({ what, why }) => `${what} (${why})`).join('; ')}`,
        `Close it by hand, now. ${log}`,
      ),
    )
  if (report.closed.length > 0)
    found.push(
      say(
        'guard-closed',
        intent?.mode !== 'reopen' && (becomesActive || site === assessment.activeSite) ? 'blocker' : 'warning',
        `the guard of ${site} holds closed what came up as if ${site} were active: ${report.closed.join(', ')}`,
        site === assessment.activeSite
          ? `Nothing opens by itself: look why it was closed, then: standby failover plan --mode reopen --to ${site}`
          : `Rejoin ${site}: then there is nothing left to close.`,
      ),
    )
  return found
}
