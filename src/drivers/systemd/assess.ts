import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Assesses, StatesPerSite } from '../../driver/capabilities.ts'
import { canaryFindings, severityAt } from '../../systems/application/assess-canary.ts'
import { type SecretHashes, secretsThatDiffer } from '../../systems/application/assess-secrets.ts'
import { codes } from './codes.ts'
import { provedApplication } from './identity.ts'
import { type AnsweringHost, answeringHosts, type SystemdState, serves, versionsOf } from './observe.ts'
import { type Application, nameOf, type SystemdSpec } from './spec.ts'
import { fullName, isInstalled, isStopped, startsAtBoot, stateInWords, type UnitSeen } from './unit-state.ts'

type States = StatesPerSite<SystemdState>

/**
 * Blockers of a move, and other findings. A failover needs one host of its new site; a rejoin only needs to observe the
 * site that becomes passive.
 */
export const assessment: Assesses<SystemdSpec, States> = {
  status: (component, states, at) => findings(component, states, null, at),
  moves: { switchover: findings, failover: findings, rejoin: findings, reopen: findings },
}

function findings(component: Application, states: States, intent: Intent | null, at: Assessment): Finding[] {
  return [
    ...at.stack.sites.flatMap(({ name }) => ofSite(component, name, states, intent, at)),
    ...canaryFindings(provedApplication, component, states, intent, at),
    ...secretsThatDiffer(codes, component, secretsOf(states), intent),
    ...versionsThatDiffer(component, states, intent),
  ]
}

function ofSite(
  component: Application,
  site: SiteName,
  states: States,
  intent: Intent | null,
  at: Assessment,
): Finding[] {
  const seen = states[site]
  if (seen === undefined) return []
  const needed = severityAt(site, intent)
  if (seen.kind !== 'answering')
    return [
      codes.finding('application-silent', component, {
        site,
        // A rejoin only stops what is there.
        severity: seen.kind === 'absent' && intent?.mode === 'rejoin' ? 'warning' : needed,
        what: `${nameOf(component)} on ${site} cannot be read: ${seen.why}`,
        ...(seen.kind === 'absent'
          ? { next: 'Deploy its units: they hold nothing of their own.' }
          : { next: `Look at the hosts of ${site}.`, unanswered: true }),
      }),
    ]
  const about: About = { component, site, needed: neededOfHosts(site, seen.state, intent), intent, at }
  return Object.entries(seen.state.hosts).flatMap(([name, host]) =>
    host.is === 'silent'
      ? [
          codes.finding('systemd-host-silent', component, {
            site,
            severity: about.needed,
            what: `${name} on ${site} does not answer: ${host.why}`,
            next: `Look at ${name}. Whether ${nameOf(component)} runs there is not known.`,
            unanswered: true,
          }),
        ]
      : ofHost(about, name, host),
  )
}

interface About {
  readonly component: Application
  readonly site: SiteName
  /** Of what must be there for the move. */
  readonly needed: Finding['severity']
  readonly intent: Intent | null
  readonly at: Assessment
}

/** A failover starts the application on the hosts that can: the others are left out. */
function neededOfHosts(site: SiteName, state: SystemdState, intent: Intent | null): Finding['severity'] {
  const needed = severityAt(site, intent)
  return intent?.mode === 'failover' && hostsThatCan(state).length > 0 ? 'warning' : needed
}

/** The hosts on which all units can be started. */
export const hostsThatCan = (state: SystemdState): string[] =>
  answeringHosts(state)
    .filter(([, { units }]) => Object.values(units).every(isInstalled))
    .map(([name]) => name)

function ofHost(about: About, name: string, host: AnsweringHost): Finding[] {
  const { component, site, intent, at, needed } = about
  const isActive = site === at.activeSite
  const units = Object.entries(host.units)
  const declared = units.map(([unit]) => fullName(unit))
  const where = `${name} on ${site}`
  return [
    ...units
      .filter(([, unit]) => !isInstalled(unit))
      .map(([unit, { load }]) =>
        codes.finding('systemd-unit-missing', component, {
          site,
          severity: intent?.mode === 'rejoin' ? 'warning' : needed,
          what: `${unit} on ${where} is ${load}`,
          next: load === 'masked' ? `systemctl unmask ${unit} there.` : 'Deploy the component that installs it.',
        }),
      ),
    ...(isActive ? ofActive(about, where, host) : []),
    ...(at.activeSite === null || isActive ? [] : ofPassive(about, where, units)),
    ...units.flatMap(([unit, seen]) => startedByOthers(about, where, unit, seen, declared)),
    ...(host.secrets.is === 'read'
      ? []
      : [
          codes.finding('systemd-secrets-unread', component, {
            site,
            severity: 'warning',
            what: `whether the keys of ${nameOf(component)} on ${where} are those of the other sites is not known: ${host.secrets.why}`,
            next: 'The user of the hosts needs the rights of root there to read environment files (become: sudo).',
          }),
        ]),
  ]
}

function ofActive({ component, site, intent, needed }: About, where: string, host: AnsweringHost): Finding[] {
  const units = Object.entries(host.units).filter(([, unit]) => isInstalled(unit))
  // A rejoin and a reopening repair just that.
  const repaired = intent?.mode === 'rejoin' || intent?.mode === 'reopen'
  const down = units.filter(([, unit]) => unit.active !== 'active')
  const why =
    down.length > 0 ? down.map(([unit, seen]) => `${unit} is ${stateInWords(seen)}`).join(', ') : host.unhealthy
  const notAtBoot = units.filter(([, unit]) => startsAtBoot(unit) === 'no').map(([unit]) => unit)
  return [
    ...(serves(host) || why === null
      ? []
      : [
          codes.finding('systemd-unit-down', component, {
            site,
            severity: repaired ? 'warning' : needed,
            what: `${where}, the active site: ${why}`,
            next: `Look at its journal, or run standby deploy --only ${component.name}.`,
            ...(down.length === 0 ? { unanswered: true } : {}),
          }),
        ]),
    ...(notAtBoot.length === 0
      ? []
      : [
          codes.finding('systemd-unit-at-boot', component, {
            site,
            severity: 'warning',
            what: `a boot of ${where}, the active site, does not start ${notAtBoot.join(', ')}`,
            next: `standby deploy --only ${component.name} enables it.`,
          }),
        ]),
  ]
}

function ofPassive({ component, site }: About, where: string, units: readonly [string, UnitSeen][]): Finding[] {
  const running = units.filter(([, unit]) => !isStopped(unit))
  const atBoot = units.filter(([, unit]) => startsAtBoot(unit) === 'yes').map(([unit]) => unit)
  const next = `Unless a move is under way: standby deploy --only ${component.name} gives each site its role.`
  return [
    ...running.map(([unit, seen]) =>
      codes.finding('systemd-unit-runs', component, {
        site,
        severity: 'warning',
        what: `${unit} on ${where}, a passive site, is ${stateInWords(seen)}`,
        next,
      }),
    ),
    ...(atBoot.length === 0
      ? []
      : [
          codes.finding('systemd-unit-at-boot', component, {
            site,
            severity: 'warning',
            what: `a boot of ${where}, a passive site, starts ${atBoot.join(', ')}`,
            next,
          }),
        ]),
  ]
}

/** What a stopped and disabled unit may be started by all the same. */
function startedByOthers(
  { component, site }: About,
  where: string,
  unit: string,
  seen: UnitSeen,
  declared: readonly string[],
): Finding[] {
  const others = seen.triggeredBy.filter((one) => !declared.includes(one))
  const isStatic = isInstalled(seen) && startsAtBoot(seen) === 'by-others'
  if (others.length === 0 && !isStatic) return []
  return [
    codes.finding('systemd-unit-started-by-others', component, {
      site,
      severity: 'warning',
      what:
        others.length > 0
          ? `${unit} on ${where} is started by ${others.join(', ')} too: no move stops that`
          : `${unit} on ${where} is ${seen.file}: whether a boot starts it is decided by another unit`,
      next:
        others.length > 0
          ? `List ${others.join(', ')} in units before ${unit}.`
          : 'Give it an [Install] section, and let no other unit want it.',
    }),
  ]
}

/** By host: hosts of one site may differ too. */
function secretsOf(states: States): Record<string, SecretHashes | null> {
  return Object.fromEntries(
    Object.entries(states).flatMap(([site, seen]) =>
      seen.kind === 'answering'
        ? answeringHosts(seen.state).map(([name, { secrets }]) => [
            `${site} (${name})`,
            secrets.is === 'read' ? secrets.hashes : null,
          ])
        : [],
    ),
  )
}

/**
 * A newer version on the passive site migrates the database at its first start, one way and unreviewed. Once a site is
 * lost, that is the lesser evil.
 */
function versionsThatDiffer(component: Application, states: States, intent: Intent | null): Finding[] {
  const versions = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' ? versionsOf(seen.state).map((version) => ({ site, version })) : [],
  )
  if (new Set(versions.map(({ version }) => version)).size < 2) return []
  return [
    codes.finding('application-versions-differ', component, {
      severity: intent?.mode === 'switchover' ? 'blocker' : 'warning',
      what: `the sites have different versions (${versions.map(({ site, version }) => `${site}: ${version}`).join(', ')})`,
      next: 'Deploy first: a move must not be a migration.',
    }),
  ]
}
