import type { Observed } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Assesses, StatesPerSite } from '../../driver/capabilities.ts'
import { closesWithin } from '../../guard/closing-time.ts'
import { guardService, runFolder } from '../../guard/names.ts'
import { type GuardReport, STALE_AFTER } from '../../guard/report.ts'
import { levelByItself } from '../../planning/self-fencing.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { reportReference } from './deploy.ts'
import type { GuardState, MachineGuard } from './observe.ts'
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
  const ofAll = guardOfCluster(site, at)
  if (seen.kind === 'absent') return [notRunning(component, ofAll, seen.why, 'Deploy.')]
  const { ready, report, machines } = seen.state
  if (machines !== undefined)
    return Object.entries(machines).flatMap(([name, machine]) => ofMachine(component, site, name, machine, intent, at))
  if (ready === 0)
    return [notRunning(component, ofAll, 'its pod is not ready', `kubectl -n ${namespace} describe pods`)]
  return ofGuard(component, ofAll, report, intent, at)
}

/** A guard, as findings name it. */
interface Named {
  readonly site: SiteName
  /** `the guard of dc-a` */
  readonly who: string
  /** What comes back open without it. */
  readonly closes: string
  /** The command that shows its log. */
  readonly log: string
  /** How it forgets what it knows. */
  readonly forget: string
  readonly clocks: string
}
const guardOfCluster = (site: SiteName, { stack }: Assessment): Named => {
  const { namespace, name } = reportReference(stack.name)
  return {
    site,
    who: `the guard of ${site}`,
    closes: site,
    log: `kubectl -n ${namespace} logs deployment/${name}`,
    forget: 'delete its pod',
    clocks: `the nodes of ${site}`,
  }
}
const guardOfMachine = (site: SiteName, machine: string, { stack }: Assessment): Named => {
  const service = guardService(stack.name)
  return {
    site,
    who: `the guard of ${machine} on ${site}`,
    closes: `${machine} on ${site}`,
    log: `On ${machine}: journalctl -u ${service}`,
    forget: `stop ${service}, remove ${runFolder(stack.name)}/knowledge.json, and start it`,
    clocks: machine,
  }
}

function ofMachine(
  component: GuardComponent,
  site: SiteName,
  name: string,
  { silent, installed, active, report }: MachineGuard,
  intent: Intent | null,
  at: Assessment,
): Finding[] {
  const named = guardOfMachine(site, name, at)
  if (silent !== null)
    return [notRunning(component, named, `the machine does not answer: ${silent}`, `Look at ${name}.`)]
  if (!installed) return [notRunning(component, named, 'it is not installed', 'Deploy.')]
  if (!active) return [notRunning(component, named, 'its unit is not active', named.log)]
  const missing = (report?.gatesMissing ?? []).map(({ what, why }) =>
    codes.finding('gate-missing', component, {
      site,
      severity: 'warning',
      what: `${what} on ${name} starts without the leave of its guard: ${why}`,
      next: `systemctl cat ${what}; restart ${guardService(at.stack.name)} on ${name}, which writes the gates anew.`,
    }),
  )
  return [...missing, ...ofGuard(component, named, report, intent, at)]
}

function ofGuard(
  component: GuardComponent,
  named: Named,
  report: GuardReport | null,
  intent: Intent | null,
  at: Assessment,
): Finding[] {
  const { site } = named
  const age = report === null ? null : Date.parse(at.now) - Date.parse(report.at)
  if (report !== null && age !== null && Math.abs(age) <= STALE_AFTER)
    return ofReport(component, report, named, intent, at)
  return [codes.finding('guard-stale', component, { site, severity: 'warning', ...staleText(named, age) })]
}

const notRunning = (component: GuardComponent, { site, who, closes }: Named, why: string, next: string): Finding =>
  codes.finding('guard-not-running', component, {
    site,
    severity: 'warning',
    what: `${who} does not run (${why}): after a failover ${closes} would come back open`,
    next,
  })

/** `age` of the report: null where there is none, negative where its date is in the future. */
function staleText(
  { who, log, clocks }: Named,
  age: Milliseconds | null,
): { readonly what: string; readonly next: string } {
  if (age === null) return { what: `${who} never reported, or what it left is no report`, next: log }
  // A report with a date in the future would look fresh until then, whether its guard lives or hangs.
  if (age < 0)
    return {
      what: `${who} dates its report ${readableDuration(-age)} ahead: its age is unknown`,
      next: `Set the clocks of ${clocks} (NTP). ${log}`,
    }
  return { what: `${who} last reported ${readableDuration(age)} ago`, next: log }
}

function ofReport(
  component: GuardComponent,
  report: GuardReport,
  { site, who, closes, log, forget }: Named,
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
        what: `${who} cannot read the witness: ${report.witnessSilent}`,
        next: `Repair active.json, the way to the witness, or the guard's keys. If the guard once believed a wrong epoch, ${forget}: the next one remembers nothing. ${log}`,
      }),
    )
  if (report.open.length > 0)
    found.push(
      codes.finding('guard-cannot-close', component, {
        site,
        severity: 'warning',
        what: `${closes} has to be closed, and its guard cannot: ${report.open.map(({ what, why }) => `${what} (${why})`).join('; ')}`,
        next: `Close it by hand, now. ${log}`,
      }),
    )
  if (report.closed.length > 0)
    found.push(
      codes.finding('guard-closed', component, {
        site,
        severity: intent?.mode !== 'reopen' && (becomesActive || isActive) ? 'blocker' : 'warning',
        what: `${who} holds closed what came up as if ${site} were active: ${report.closed.join(', ')}`,
        next: isActive
          ? `Nothing opens by itself: find out why it was closed, then: standby failover plan --mode reopen --to ${site}`
          : `Rejoin ${site}: then there is nothing left to close.`,
      }),
    )
  return found
}
