import { type BySite, EVERYWHERE } from '../domain/observed.ts'
import type { Finding, Intent } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Assessment } from '../driver/assessment.ts'
import type { Driver } from '../driver/driver.ts'
import { UNSEEN, type Unseen } from '../errors/unseen.ts'
import type { Observation } from '../observation/observation.ts'
import { type Damage, damageText } from '../witness/damage.ts'
import { clockFindings } from './clock-skew.ts'
import { isGuarded } from './fence-coverage.ts'
import { followersOf } from './followers.ts'
import { livenessOf } from './liveness.ts'
import { lockFindings } from './lock-findings.ts'

/** All that a person should know before anything is changed: of sites and witness, then of each component. Pure. */
export function findingsOf(
  stack: Stack,
  observation: Observation,
  intent: Intent | null,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] {
  const activeSite = observation.witness.kind === 'answering' ? (observation.witness.active?.activeSite ?? null) : null
  const assessment: Assessment = { now: observation.at, objectives: stack.objectives, activeSite, stack }
  const ofComponents = stack.components.flatMap((component) => {
    const assess = (states: BySite, asked: Intent | null): Finding[] =>
      drivers[component.driver]?.assess(component, states, asked, assessment) ?? []
    const states = observation.components[component.name] ?? {}
    return intent === null
      ? assess(states, null)
      : [...assess(ofEnds(states, intent), intent), ...ofFollowers(stack, intent, () => assess(states, null))]
  })
  return [
    ...ofStackFile(stack),
    ...clockFindings(observation),
    ...ofSites(observation, intent),
    ...ofWitness(stack, observation, intent),
    ...rolesDisagree(stack, observation, activeSite, intent),
    ...(intent?.mode === 'reopen' ? othersThatMayWrite(stack, observation, intent, drivers) : []),
    ...ofComponents,
  ]
}

/**
 * What the loader has found, and does not refuse. Reported, and no more: what a team has chosen knowingly must not keep
 * its status from green for ever.
 */
const ofStackFile = ({ warnings = [], source }: Stack): Finding[] =>
  warnings.map(({ path, what, line }) => ({
    code: 'stack-warning',
    severity: 'info',
    what: `${basename(source.path)}${line === null ? '' : `:${line}`} ${path}: ${what}`,
    next: 'Correct the stack file, or know why it is so.',
  }))

const basename = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** As `status` says it: a third site stands against no move, and should not be forgotten. */
function ofFollowers(stack: Stack, intent: Intent, assess: () => Finding[]): Finding[] {
  const followers = followersOf(stack, intent).map(({ name }): string => name)
  if (followers.length === 0) return []
  return assess()
    .filter(({ site }) => site !== undefined && followers.includes(site))
    .map((finding) => (finding.severity === 'blocker' ? { ...finding, severity: 'warning' } : finding))
}

const ofEnds = (states: BySite, { from, to }: Intent): BySite =>
  Object.fromEntries(Object.entries(states).filter(([site]) => [from, to, EVERYWHERE].includes(site)))

export const blockers = (findings: readonly Finding[]): Finding[] =>
  findings.filter((finding) => finding.severity === 'blocker')

function ofSites(observation: Observation, intent: Intent | null): Finding[] {
  return Object.entries(observation.sites).flatMap(([site, view]): Finding[] => {
    if (view.kind === 'answering') return []
    if (view.kind === 'silent')
      return [
        {
          code: UNSEEN[view.cause].code,
          severity: severityOfSilence(site, view.cause, intent),
          site,
          what: whatOfSilence(site, view.cause, view.why),
          next: UNSEEN[view.cause].next(site),
        },
      ]
    return [
      {
        code: 'wrong-cluster',
        severity: 'blocker',
        site,
        what: `the kubeconfig of ${site} leads to another cluster: its kube-system has the UID ${view.clusterId}`,
        next: 'Compare clusterId in the stack file with the kubeconfig; nothing is done until they agree.',
      },
    ]
  })
}

/** Nothing that our own side lacks is reported as a silence of the site. */
function whatOfSilence(site: string, cause: Unseen, why: string): string {
  switch (UNSEEN[cause].vote) {
    case 'down':
      return `${site} does not answer (${why})`
    case 'up':
      return `${site} answers, and cannot be looked at (${why})`
    default:
      return `${site} cannot be looked at, and nobody knows from here whether it lives (${why})`
  }
}

/**
 * A lost site is what a failover is for, unless it is our own eyes that fail; a third one hinders no move, and nobody
 * should forget it.
 */
function severityOfSilence(site: string, cause: Unseen, intent: Intent | null): Finding['severity'] {
  if (intent?.mode === 'failover' && site === intent.from) return UNSEEN[cause].vote === 'down' ? 'info' : 'warning'
  return intent === null || site === intent.from || site === intent.to ? 'blocker' : 'warning'
}

function ofWitness(stack: Stack, observation: Observation, intent: Intent | null): Finding[] {
  const witness = observation.witness
  if (witness.kind === 'silent')
    return [
      {
        code: 'witness-silent',
        severity: 'blocker',
        what: `the witness does not answer (${witness.why}): nobody knows which site is active`,
        next: 'Restore access to the witness bucket before any move.',
      },
    ]
  if (witness.kind === 'damaged') return [damaged(witness.damage, 'nobody knows which site is active')]
  const ofLock =
    witness.damagedLock === undefined ? [] : [damaged(witness.damagedLock, 'nobody knows whether a run is at work')]
  const made = partsMadeByUs(observation)
  if (witness.active === null && made.length > 0)
    return [
      ...ofLock,
      {
        code: 'witness-emptied',
        severity: 'blocker',
        what: `the witness knows no active site of ${stack.name}, and there is what a deploy of it has made: ${made.join(', ')}`,
        next: 'Put active.json back as it was before anything is deployed or moved: docs/witness.md says how.',
      },
    ]
  if (witness.active === null)
    return [
      ...ofLock,
      {
        code: 'never-deployed',
        severity: intent === null ? 'warning' : 'blocker',
        what: `the witness knows no active site of ${stack.name}: it was never deployed`,
        next: 'Run the first deploy.',
      },
    ]
  const found: Finding[] = [...ofLock, ...lockFindings(witness.lock, intent, new Date(observation.at))]
  if (!stack.sites.some((site) => site.name === witness.active?.activeSite))
    found.push({
      code: 'active-site-undeclared',
      severity: 'blocker',
      what: `the witness says that ${witness.active.activeSite} is active, and the stack file does not declare it`,
      next: 'Use the stack file that this stack was deployed with.',
    })
  if (intent !== null && witness.active.activeSite !== intent.from)
    found.push({
      code: 'not-the-active-site',
      severity: 'blocker',
      what: `the plan moves away from ${intent.from}, and the witness says that ${witness.active.activeSite} is active`,
      next:
        witness.active.activeSite === intent.to
          ? `${intent.to} is active already.`
          : 'Make a plan from the active site.',
    })
  return found
}

function partsMadeByUs({ components }: Observation): string[] {
  return Object.entries(components).flatMap(([component, bySite]) =>
    Object.entries(bySite).flatMap(([site, seen]) =>
      seen.kind === 'answering' && seen.madeBy === 'standby' ? [`${component}@${site}`] : [],
    ),
  )
}

const damaged = (damage: Damage, so: string): Finding => ({
  code: damage.code,
  severity: 'blocker',
  what: `${damageText(damage)}: ${so}`,
  next: damage.next,
})

/** Reality against witness: a disagreement has a name and is never silently resolved. */
function rolesDisagree(
  stack: Stack,
  observation: Observation,
  activeSite: string | null,
  intent: Intent | null,
): Finding[] {
  if (activeSite === null) return []
  return stack.components.flatMap((component) =>
    Object.entries(observation.components[component.name] ?? {}).flatMap(([site, seen]): Finding[] => {
      if (seen.kind !== 'answering' || !stack.sites.some((known) => known.name === site)) return []
      const expected = site === activeSite ? 'active' : 'passive'
      if (seen.role === expected || seen.role === 'unknown') return []
      return [
        {
          code: seen.role === 'active' ? 'active-on-passive-site' : 'passive-on-active-site',
          severity: severityOfRole(site, intent),
          component: component.name,
          site,
          what: `${component.name} on ${site} is ${seen.role}, and the witness says that ${activeSite} is the active site`,
          next:
            site === activeSite
              ? `Find out who changed it before anything else is changed. What its guard or a fence has shut: standby failover plan --mode reopen --to ${site} opens it.`
              : `If ${site} was lost and has come back: standby failover plan --mode rejoin --to ${site}. Else find out who changed it before anything else is changed.`,
        },
      ]
    }),
  )
}

/**
 * A second site that calls itself active stands against every promotion. A rejoin promotes nothing: of two sites that
 * were lost, one comes back first.
 */
function severityOfRole(site: string, intent: Intent | null): Finding['severity'] {
  if (intent === null) return 'blocker'
  if (isMendedBy(intent, site)) return 'info'
  return intent.mode === 'rejoin' && site !== intent.from ? 'warning' : 'blocker'
}

/**
 * A site is opened only where every other one is seen to be passive, or dead by those who look at it: one that cannot
 * be seen may take writes, as the site of an earlier epoch that nobody has taken back. Pure.
 */
function othersThatMayWrite(
  stack: Stack,
  observation: Observation,
  intent: Intent,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] {
  return followersOf(stack, intent).flatMap(({ name: site }): Finding[] => {
    if (livenessOf(stack, observation, drivers, site).is === 'down') return []
    const unseen =
      observation.sites[site]?.kind === 'answering'
        ? stack.components.filter(
            ({ name, driver }) => isGuarded(drivers[driver]) && observation.components[name]?.[site]?.kind === 'silent',
          )
        : []
    if (observation.sites[site]?.kind === 'answering' && unseen.length === 0) return []
    const what = unseen.length === 0 ? site : `${unseen.map(({ name }) => name).join(', ')} on ${site}`
    return [
      {
        code: 'other-site-may-write',
        severity: 'blocker',
        site,
        what: `${what} cannot be seen, and may take writes: ${intent.to} is opened only where no other site does`,
        next: `Make ${site} reachable, or switch it off and let a second one say so (driver command).`,
      },
    ]
  })
}

/**
 * What a lost site says of itself hinders no failover away from it; what a former active site says is what its rejoin
 * mends.
 */
const isMendedBy = (intent: Intent, site: string): boolean =>
  (intent.mode === 'failover' && site === intent.from) ||
  ((intent.mode === 'rejoin' || intent.mode === 'reopen') && site === intent.to)
