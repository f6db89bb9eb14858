import type { Finding } from '../../../domain/plan.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { codes } from '../codes.ts'
import type { ConsulState } from '../observe.ts'
import { datacenterNamed, type Federation } from '../spec.ts'

/** What is wrong with the snapshots of the active site; nothing where none are declared, or it is silent. Pure. */
export function findingsOfSnapshots(
  component: Federation,
  states: StatesPerSite<ConsulState>,
  { activeSite, now, objectives }: Pick<Assessment, 'activeSite' | 'now' | 'objectives'>,
): Finding[] {
  const seen = activeSite === null ? undefined : states[activeSite]
  if (activeSite === null || seen?.kind !== 'answering' || seen.state.snapshot === undefined) return []
  const { snapshot } = seen.state
  const named = datacenterNamed(component, activeSite)
  const at = { site: activeSite, severity: 'warning' } as const
  if (snapshot === 'unreadable')
    return [
      codes.finding('consul-snapshots-unreadable', component, {
        ...at,
        what: `the snapshots of ${named} cannot be listed`,
        next: 'Look at the object store and its read credentials.',
        unanswered: true,
      }),
    ]
  if (snapshot === null)
    return [
      codes.finding('consul-no-snapshot', component, {
        ...at,
        what: `${named} has no complete snapshot`,
        next: 'Run: standby backup',
      }),
    ]
  return Date.parse(now) - Date.parse(snapshot.takenAt) <= objectives.backupAge
    ? []
    : [
        codes.finding('consul-snapshot-old', component, {
          ...at,
          what: `the last snapshot of ${named} is of ${snapshot.takenAt}`,
          next: 'Look at what runs standby backup.',
        }),
      ]
}
