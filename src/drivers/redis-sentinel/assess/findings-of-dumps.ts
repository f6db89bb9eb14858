import type { Finding } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import { codes } from '../codes.ts'
import { type Group, groupNamed } from '../spec.ts'
import { type States, stateAt } from './findings-of-site.ts'

/** What is wrong with the dumps of the active site; nothing where none are declared, or it is silent. Pure. */
export function findingsOfDumps(
  component: Group,
  states: States,
  { activeSite, now, objectives }: Pick<Assessment, 'activeSite' | 'now' | 'objectives'>,
): Finding[] {
  const dump = activeSite === null ? undefined : stateAt(states, activeSite)?.dump
  if (activeSite === null || dump === undefined) return []
  const name = groupNamed(component, activeSite)
  const at = { site: activeSite, severity: 'warning' } as const
  if (dump === 'unreadable')
    return [
      codes.finding('dumps-unreadable', component, {
        ...at,
        what: `the dumps of ${name} cannot be listed`,
        next: 'Look at the object store and its read credentials.',
        unanswered: true,
      }),
    ]
  if (dump === null)
    return [
      codes.finding('no-dump', component, {
        ...at,
        what: `${name} has no complete dump`,
        next: 'Run: standby backup',
      }),
    ]
  return Date.parse(now) - Date.parse(dump.takenAt) <= objectives.backupAge
    ? []
    : [
        codes.finding('dump-old', component, {
          ...at,
          what: `the last dump of ${name} is of ${dump.takenAt}`,
          next: 'Look at what runs standby backup.',
        }),
      ]
}
