import type { Finding, Intent } from '../../domain/plan.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Assesses, StatesPerSite } from '../../driver/capabilities.ts'
import type { FindingText } from '../../driver/codes.ts'
import { codes } from './codes.ts'
import type { S3State } from './observe.ts'
import type { S3Spec } from './spec.ts'

/** A silent store blocks everything that waits for it: a demotion, the archive of a new primary, a new replica. */
type Silence = Required<Pick<FindingText, 'severity' | 'next'>>

const WAITS_FOR_ARCHIVE = 'A demotion waits for the archive: no move before it answers.'

/** Blockers of a move, and other findings. Pure. */
export const assessment: Assesses<S3Spec, StatesPerSite<S3State>> = {
  status: (component, states, { stack }) =>
    findings(component, states, stack, () => ({ severity: 'warning', next: WAITS_FOR_ARCHIVE })),
  moves: {
    switchover: (component, states, _intent, { stack }) =>
      findings(component, states, stack, () => ({ severity: 'blocker', next: WAITS_FOR_ARCHIVE })),
    failover: (component, states, intent, { stack }) =>
      findings(component, states, stack, (site) => inFailover(site, intent)),
    rejoin: (component, states, _intent, { stack }) =>
      findings(component, states, stack, () => ({
        severity: 'blocker',
        next: 'The replica is built from one archive, and will write to the other: restore it first.',
      })),
    reopen: (component, states, _intent, { stack }) =>
      findings(component, states, stack, () => ({
        severity: 'warning',
        next: 'The opened site archives there: until it answers, its WAL stays on its volume.',
      })),
  },
}

/** The store of the lost site blocks nothing. */
const inFailover = (site: SiteName, { to }: Intent): Silence =>
  site === to
    ? { severity: 'blocker', next: 'The new primary archives there: restore it first.' }
    : {
        severity: 'warning',
        next: 'What is only there cannot be brought along: it counts as lost, unless it answers before the failover begins.',
      }

function findings(
  component: Component<S3Spec>,
  states: StatesPerSite<S3State>,
  { sites }: Assessment['stack'],
  ifSilent: (site: SiteName) => Silence,
): Finding[] {
  return sites.flatMap(({ name: site }) => {
    const seen = states[site]
    if (seen === undefined) return []
    if (seen.kind !== 'answering')
      return [
        codes.finding('object-store-silent', component, {
          site,
          ...ifSilent(site),
          what: `the object store of ${site} does not answer: ${seen.why}`,
          unanswered: true,
        }),
      ]
    const { versioning } = seen.state
    if (versioning === 'enabled' || versioning === 'unknown') return []
    return [
      codes.finding('object-store-unversioned', component, {
        site,
        severity: 'info',
        what: `the bucket of ${site} keeps no versions: what is overwritten or deleted is gone`,
        next: 'Enable versioning on the bucket.',
      }),
    ]
  })
}
