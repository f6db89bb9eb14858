import type { Observed } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Assesses, StatesPerSite } from '../../driver/capabilities.ts'
import { closesWithin } from '../../guard/closing-time.ts'
import { type GuardReport, STALE_AFTER } from '../../guard/report.ts'
import { levelByItself } from '../../planning/self-fencing.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { reportReference } from './deploy.ts'
import type { GuardState } from './observe.ts'
import { type GuardComponent, type GuardSpec, rulesOf } from './spec.ts'

type States = StatesPerSite<GuardState>

/** Findings about the guards. */
export const assessment: Assesses<GuardSpec, States> = {
  status: (component, states, at) => [...withoutTime(component, at), ...ofSites(component, states, null, at)],
  moves: { switchover: ofSites, failover: ofSites, rejoin: ofSites, reopen: ofSites },
}

/** Reported before any failover, whose plan would be refused for it. */
function withoutTime(component: GuardComponent, { stack }: Assessment): Finding[] {
  const { failover } = stack.fencing
  if (levelByItself(failover) === null || closesWithin(rulesOf(component.spec)) !== null) return []
  return [
    codes.finding('guard-without-time', component, {
      severity: 'warning',
      what: `fencing.failover: ${failover} cannot be reached on a site that does not answer: without closeAfter its guard promises no time that could be waited for`,
      next: `Declare closeAfter of ${component.name}, or switch the power of a lost site off (driver command).`,
    }),
  ]
}

function ofSites(component: GuardComponent, states: States, intent: Intent | null, at: Assessment): Finding[] {
  return at.stack.sites.flatMap(({ name: site }) => {
    const seen = states[site]
    // The core reports that a site is silent.
    return seen === undefined || seen.kind === 'silent' ? [] : ofSite(component, site, seen, intent, at)
  })
}

function ofSite(
  component: GuardComponent,
  site: SiteName,
  seen: Exclude<Observed<GuardState>, { readonly kind: 'silent' }>,
  intent: Intent | null,
  at: Assessment,
): Finding[] {
  const { namespace } = reportReference(at.stack.name)
  if (seen.kind === 'absent') return [notRunning(component, site, seen.why, 'Deploy.')]
  if (seen.state.ready === 0)
    return [notRunning(component, site, 'its pod is not ready', `kubectl -n ${namespace} describe pods`)]
  const { report } = seen.state
  const age = report === null ? null : Date.parse(at.now) - Date.parse(report.at)
  if (report !== null && age !== null && Math.abs(age) <= STALE_AFTER)
    return ofReport(component, report, site, intent, at)
  return [codes.finding('guard-stale', component, { site, severity: 'warning', ...staleText(site, age, logOf(at)) })]
}

const notRunning = (component: GuardComponent, site: SiteName, why: string, next: string): Finding =>
  codes.finding('guard-not-running', component, {
    site,
    severity: 'warning',
    what: `the guard of ${site} does not run (${why}): after a failover ${site} would come back open`,
    next,
  })

/** `age` of the report: null where there is none, negative where its date is in the future. */
function staleText(
  site: SiteName,
  age: Milliseconds | null,
  log: string,
): { readonly what: string; readonly next: string } {
  if (age === null) return { what: `the guard of ${site} never reported, or what it left is no report`, next: log }
  // A report with a date in the future would look fresh until then, whether its guard lives or hangs.
  if (age < 0)
    return {
      what: `the guard of ${site} dates its report ${readableDuration(-age)} ahead: its age is unknown`,
      next: `Set the clocks of the nodes of ${site} (NTP). ${log}`,
    }
  return { what: `the guard of ${site} last reported ${readableDuration(age)} ago`, next: log }
}

const logOf = ({ stack }: Assessment): string => {
  const { namespace, name } = reportReference(stack.name)
  return `kubectl -n ${namespace} logs deployment/${name}`
}

function ofReport(
  component: GuardComponent,
  report: GuardReport,
  site: SiteName,
  intent: Intent | null,
  at: Assessment,
): Finding[] {
  // A guard that is wrong would close the new active site while users work on it.
  const becomesActive = intent !== null && intent.mode !== 'rejoin' && intent.to === site
  const isActive = site === at.activeSite
  const found: Finding[] = []
  if (report.witnessSilent !== null)
    found.push(
      codes.finding('guard-blind', component, {
        site,
        severity: becomesActive ? 'blocker' : 'warning',
        what: `the guard of ${site} cannot read the witness: ${report.witnessSilent}`,
        next: `Repair active.json, the way to the witness, or the guard's keys. If the guard once believed a wrong epoch, delete its pod: the next one remembers nothing. ${logOf(at)}`,
      }),
    )
  if (report.open.length > 0)
    found.push(
      codes.finding('guard-cannot-close', component, {
        site,
        severity: 'warning',
        what: `${site} has to be closed, and its guard cannot: ${report.open.map(({ what, why }) => `${what} (${why})`).join('; ')}`,
        next: `Close it by hand, now. ${logOf(at)}`,
      }),
    )
  if (report.closed.length > 0)
    found.push(
      codes.finding('guard-closed', component, {
        site,
        severity: intent?.mode !== 'reopen' && (becomesActive || isActive) ? 'blocker' : 'warning',
        what: `the guard of ${site} holds closed what came up as if ${site} were active: ${report.closed.join(', ')}`,
        next: isActive
          ? `Nothing opens by itself: find out why it was closed, then: standby failover plan --mode reopen --to ${site}`
          : `Rejoin ${site}: then there is nothing left to close.`,
      }),
    )
  return found
}
