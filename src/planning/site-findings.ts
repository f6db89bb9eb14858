import { type Finding, type Intent, leavesLostSite } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'
import { UNSEEN, type Unseen } from '../errors/unseen.ts'
import type { Observation } from '../observation/observation.ts'
import { platformViewsOf } from '../observation/site-view.ts'

/** The platforms of sites that do not answer, or are not the ones that the stack file names. Pure. */
export function siteFindings(stack: Stack, observation: Observation, intent: Intent | null): Finding[] {
  return stack.sites.flatMap((site) => {
    const seen = platformViewsOf(site, observation)
    return seen.flatMap(({ platform, view }): Finding[] => {
      if (view.kind === 'answering') return []
      if (view.kind === 'silent') {
        const what = whatOfSilence(seen.length === 1 ? site.name : `${platform.name} of ${site.name}`, view)
        const severity = severityOfSilence(site.name, view.cause, intent)
        const unanswered = UNSEEN[view.cause].passing ? { unanswered: true as const } : {}
        return [{ ...platform.silence(view.cause, site.name), severity, site: site.name, what, ...unanswered }]
      }
      const { code, what, compare } = platform.stranger(site.name, view.identity)
      const next = `${compare}; nothing is done until they agree.`
      return [{ code, severity: 'blocker', site: site.name, what, next }]
    })
  })
}

/** A fault on this runner's side is not reported as silence of the site. */
function whatOfSilence(silent: string, { cause, why }: { readonly cause: Unseen; readonly why: string }): string {
  switch (UNSEEN[cause].vote) {
    case 'down':
      return `${silent} does not answer (${why})`
    case 'up':
      return `${silent} answers, and cannot be looked at (${why})`
    default:
      return `${silent} cannot be looked at, and whether it lives is unknown from here (${why})`
  }
}

/**
 * A silent site is the reason for a failover away from it, unless the fault is on this runner's side. The silence of a
 * third site hinders no move, and is a warning.
 */
function severityOfSilence(site: string, cause: Unseen, intent: Intent | null): Finding['severity'] {
  if (intent !== null && leavesLostSite(intent) && site === intent.from)
    return UNSEEN[cause].vote === 'down' ? 'info' : 'warning'
  return intent === null || site === intent.from || site === intent.to ? 'blocker' : 'warning'
}
