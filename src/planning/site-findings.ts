import type { Finding, Intent } from '../domain/plan.ts'
import { UNSEEN, type Unseen } from '../errors/unseen.ts'
import type { Observation } from '../observation/observation.ts'

/** The sites that do not answer, or are not the ones that the stack file names. Pure. */
export function siteFindings(observation: Observation, intent: Intent | null): Finding[] {
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
          ...(UNSEEN[view.cause].passing ? { unanswered: true } : {}),
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

/** A fault on this runner's side is not reported as silence of the site. */
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
 * A silent site is the reason for a failover away from it, unless the fault is on this runner's side. The silence of a
 * third site hinders no move, and is a warning.
 */
function severityOfSilence(site: string, cause: Unseen, intent: Intent | null): Finding['severity'] {
  if (intent?.mode === 'failover' && site === intent.from) return UNSEEN[cause].vote === 'down' ? 'info' : 'warning'
  return intent === null || site === intent.from || site === intent.to ? 'blocker' : 'warning'
}
