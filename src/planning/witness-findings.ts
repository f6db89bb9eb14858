import type { Finding, Intent } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import type { Observation } from '../observation/observation.ts'
import { type Damage, damageText } from '../witness/damage.ts'
import { lockFindings } from './lock-findings.ts'

/** What the witness does not say, and what it says against this stack file or this move. Pure. */
export function witnessFindings(stack: Stack, observation: Observation, intent: Intent | null): Finding[] {
  const { witness } = observation
  if (witness.kind === 'silent')
    return [
      {
        code: 'witness-silent',
        severity: 'blocker',
        what: `the witness does not answer (${witness.why}): the active site is unknown`,
        next: 'Restore access to the witness before any move.',
        unanswered: true,
      },
    ]
  if (witness.kind === 'damaged') return [damaged(witness.damage, 'the active site is unknown')]
  const ofLock =
    witness.damagedLock === undefined ? [] : [damaged(witness.damagedLock, 'whether a run is at work is unknown')]
  if (witness.active === null) return [...ofLock, withoutActiveSite(stack, observation, intent)]
  return [
    ...ofLock,
    ...lockFindings(witness.lock, intent, new Date(observation.at)),
    ...undeclared(stack, witness.active.activeSite),
    ...otherThanPlanned(witness.active.activeSite, intent),
  ]
}

function withoutActiveSite(stack: Stack, observation: Observation, intent: Intent | null): Finding {
  const made = partsMadeByUs(observation)
  if (made.length > 0)
    return {
      code: 'witness-emptied',
      severity: 'blocker',
      what: `the witness knows no active site of ${stack.name}, and there is what a deploy of it has made: ${made.join(', ')}`,
      next: 'Put active.json back as it was before anything is deployed or moved: docs/witness.md says how.',
    }
  return {
    code: 'never-deployed',
    severity: intent === null ? 'warning' : 'blocker',
    what: `the witness knows no active site of ${stack.name}: it was never deployed`,
    next: 'Run the first deploy.',
  }
}

function undeclared(stack: Stack, active: string): Finding[] {
  if (stack.sites.some((site) => site.name === active)) return []
  return [
    {
      code: 'active-site-undeclared',
      severity: 'blocker',
      what: `the witness says that ${active} is active, and the stack file does not declare it`,
      next: 'Use the stack file that this stack was deployed with.',
    },
  ]
}

function otherThanPlanned(active: string, intent: Intent | null): Finding[] {
  if (intent === null || active === intent.from) return []
  return [
    {
      code: 'not-the-active-site',
      severity: 'blocker',
      what: `the plan moves away from ${intent.from}, and the witness says that ${active} is active`,
      next: active === intent.to ? `${intent.to} is active already.` : 'Make a plan from the active site.',
    },
  ]
}

function partsMadeByUs({ components }: Observation): string[] {
  return Object.entries(components).flatMap(([component, bySite]) =>
    Object.entries(bySite).flatMap(([site, seen]) =>
      seen.kind === 'answering' && seen.madeBy === 'standby' ? [`${component}@${site}`] : [],
    ),
  )
}

const damaged = (damage: Damage, consequence: string): Finding => ({
  code: damage.code,
  severity: 'blocker',
  what: `${damageText(damage)}: ${consequence}`,
  next: damage.next,
})
