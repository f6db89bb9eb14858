import { type BySite, EVERYWHERE } from '../domain/observed.ts'
import type { Finding, Intent } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { componentFindings } from '../driver/ask.ts'
import type { Assessment } from '../driver/assessment.ts'
import type { Driver } from '../driver/capabilities.ts'
import type { Observation } from '../observation/observation.ts'
import { clockFindings } from './clock-skew.ts'
import { followersOf } from './followers.ts'
import { otherSiteFindings } from './other-site-findings.ts'
import { roleFindings } from './role-findings.ts'
import { siteFindings } from './site-findings.ts'
import { witnessFindings } from './witness-findings.ts'
import { witnessPlaceFindings } from './witness-place.ts'

/**
 * Everything that a person should know before a move, or, where `intent` is null, for `status`: of the stack file, the
 * sites and the witness, then of each component. Pure.
 */
export function findingsOf(
  stack: Stack,
  observation: Observation,
  intent: Intent | null,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] {
  const activeSite = observation.witness.kind === 'answering' ? (observation.witness.active?.activeSite ?? null) : null
  return [
    ...stackFileFindings(stack),
    ...clockFindings(observation),
    ...siteFindings(stack, observation, intent),
    ...witnessFindings(stack, observation, intent),
    ...witnessPlaceFindings(stack, activeSite, intent),
    ...roleFindings(stack, observation, activeSite, intent, drivers),
    ...(intent?.mode === 'reopen' ? otherSiteFindings(stack, observation, intent, drivers) : []),
    ...findingsOfComponents(stack, observation, activeSite, intent, drivers),
  ]
}

/** What the loader warns of. Of severity `info`: what a team has chosen must not keep its status from green. */
const stackFileFindings = ({ warnings = [], source }: Stack): Finding[] =>
  warnings.map(({ path, what, line }) => ({
    code: 'stack-warning',
    severity: 'info',
    what: `${basename(source.path)}${line === null ? '' : `:${line}`} ${path}: ${what}`,
    next: 'Correct the stack file, or know why it is so.',
  }))

const basename = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** For a move: of its two ends by its intent, then of the other sites as `status` finds them. */
function findingsOfComponents(
  stack: Stack,
  observation: Observation,
  activeSite: string | null,
  intent: Intent | null,
  drivers: Readonly<Record<string, Driver>>,
): Finding[] {
  const assessment: Assessment = { now: observation.at, objectives: stack.objectives, activeSite, stack }
  return stack.components.flatMap((component) => {
    const states = observation.components[component.name] ?? {}
    const assess = (of: BySite, asked: Intent | null, around = assessment): Finding[] =>
      componentFindings(drivers[component.driver], component, of, asked, around)
    if (intent === null) return assess(states, null)
    const [ends, elsewhere] = apart(states, intent)
    return [
      ...assess(ends, intent, { ...assessment, elsewhere }),
      ...ofFollowers(stack, intent, () => assess(states, null)),
    ]
  })
}

/** No finding of a third site blocks a move: blockers become warnings. */
function ofFollowers(stack: Stack, intent: Intent, assess: () => Finding[]): Finding[] {
  const followers = followersOf(stack, intent).map(({ name }): string => name)
  if (followers.length === 0) return []
  return assess()
    .filter(({ site }) => site !== undefined && followers.includes(site))
    .map((finding) => (finding.severity === 'blocker' ? { ...finding, severity: 'warning' } : finding))
}

/** What was seen at the two ends of a move, and what at other sites. */
function apart(states: BySite, { from, to }: Intent): readonly [ends: BySite, elsewhere: BySite] {
  const isEnd = ([site]: readonly [string, unknown]): boolean => [from, to, EVERYWHERE].includes(site)
  const all = Object.entries(states)
  return [Object.fromEntries(all.filter(isEnd)), Object.fromEntries(all.filter((one) => !isEnd(one)))]
}

export const blockers = (findings: readonly Finding[]): Finding[] =>
  findings.filter((finding) => finding.severity === 'blocker')
