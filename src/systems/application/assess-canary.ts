import type { Finding, Intent } from '../../domain/plan.ts'
import type { Component } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import type { CanarySeen } from './canary-seen.ts'
import type { ProvedSpec } from './declaration.ts'
import type { ProvedApplication } from './prove-identity.ts'

type Named<Spec extends ProvedSpec> = Pick<ProvedApplication<Spec>, 'codes' | 'nameOf'>

/**
 * The check that SMOKE makes on the new site is made beforehand on the site that serves, while its doors are open.
 * Pure.
 */
export function canaryFindings<Spec extends ProvedSpec>(
  of: Named<Spec>,
  component: Component<Spec>,
  states: StatesPerSite<{ readonly canary?: CanarySeen }>,
  intent: Intent | null,
  at: Assessment,
): Finding[] {
  if (component.spec.canary === undefined || intent?.mode === 'rejoin' || intent?.mode === 'reopen') return []
  return at.stack.sites.flatMap(({ name: site }) => canaryOf(of, component, site, states, intent))
}

function canaryOf<Spec extends ProvedSpec>(
  { codes, nameOf }: Named<Spec>,
  component: Component<Spec>,
  site: string,
  states: StatesPerSite<{ readonly canary?: CanarySeen }>,
  intent: Intent | null,
): Finding[] {
  const name = nameOf(component)
  const seen = states[site]
  if (seen?.kind !== 'answering')
    return intent?.mode === 'failover' && site === intent.from
      ? [
          codes.finding('canary-unknown', component, {
            site,
            severity: 'info',
            what: `whether the canary of ${name} works is unknown: ${site}, which served, does not answer`,
            next: `It is read for the first time on ${intent.to}, before traffic is let in there.`,
          }),
        ]
      : []
  const { canary } = seen.state
  switch (canary?.is) {
    case 'fails':
      return [
        codes.finding('canary-fails', component, {
          site,
          severity: intent?.mode === 'switchover' ? 'blocker' : 'warning',
          what: `the canary of ${name} fails on ${site}: ${canary.why}`,
          next: nextOfFailing(intent),
        }),
      ]
    case 'unknown':
      return [
        codes.finding('canary-unknown', component, {
          site,
          severity: intent?.mode === 'switchover' ? 'warning' : 'info',
          what: `the canary of ${name} on ${site} could not be tried: ${canary.why}`,
          next: 'A switchover tries it again, with the rights of the mover, before anything is stopped.',
        }),
      ]
    case 'without-credentials':
      return [
        codes.finding('canary-fails', component, {
          site,
          severity: severityAt(site, intent),
          what: `the canary of ${name} cannot be read on ${site}: ${canary.why}`,
          next: 'Create it with the same content as on the other site.',
        }),
      ]
    default:
      return []
  }
}

const nextOfFailing = (intent: Intent | null): string =>
  intent?.mode === 'failover'
    ? `The failover will stop before traffic is let in on ${intent.to}: renew the canary, or take it out of the stack file, before you approve.`
    : 'A move would stop after its point of no return: renew the client secret of the canary, or its right to read the secret.'

/** A switchover depends on both sites, a failover and a rejoin on the one that they change. Pure. */
export function severityAt(site: string, intent: Intent | null): Finding['severity'] {
  if (intent === null) return 'warning'
  return intent.mode === 'switchover' || site === intent.to ? 'blocker' : 'warning'
}
