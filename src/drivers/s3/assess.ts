import type { BySite } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { S3State } from './observe.ts'
import type { S3Spec } from './spec.ts'

/** What stands against an intent, or should be known anyway. Pure. */
export function assessStores(
  component: Component<S3Spec>,
  states: BySite<S3State>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  return assessment.stack.sites.flatMap(({ name }): Finding[] => {
    const seen = states[name]
    if (seen === undefined) return []
    const at = { component: component.name, site: name }
    if (seen.kind !== 'answering') {
      const { severity, next } = consequence(name, intent)
      return [
        {
          ...at,
          code: 'object-store-silent',
          severity,
          what: `the object store of ${name} does not answer: ${seen.why}`,
          next,
        },
      ]
    }
    const { versioning } = seen.state
    return versioning === 'enabled' || versioning === 'unknown'
      ? []
      : [
          {
            ...at,
            code: 'object-store-unversioned',
            severity: 'info',
            what: `the bucket of ${name} keeps no versions: what is overwritten or deleted is gone`,
            next: 'Enable versioning on the bucket.',
          },
        ]
  })
}

/**
 * A store that is silent stops what waits for it: a demotion, the archive of a new primary, a new replica. A lost
 * site's stops nothing.
 */
function consequence(site: SiteName, intent: Intent | null): Pick<Finding, 'severity'> & { readonly next: string } {
  if (intent === null)
    return { severity: 'warning', next: 'A demotion waits for the archive: no move before it answers.' }
  switch (intent.mode) {
    case 'switchover':
      return { severity: 'blocker', next: 'A demotion waits for the archive: no move before it answers.' }
    case 'failover':
      return site === intent.to
        ? { severity: 'blocker', next: 'The new primary archives there: restore it first.' }
        : {
            severity: 'warning',
            next: 'What is only there can not be brought along: it counts as lost, unless it answers before the failover begins.',
          }
    case 'reopen':
      return {
        severity: 'warning',
        next: 'The opened site archives there: until it answers, its WAL stays on its volume.',
      }
    case 'rejoin':
      return {
        severity: 'blocker',
        next: 'The replica is built from one archive, and will write to the other: restore it first.',
      }
  }
}
