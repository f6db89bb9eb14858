import { asDriversKnow, type Finding, type Intent } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import type { Assesses, StatesPerSite } from '../../../driver/capabilities.ts'
import { trafficAssessment } from '../../../systems/traffic/assess-traffic.ts'
import { codes } from '../codes.ts'
import type { ConsulState } from '../observe.ts'
import { type ConsulSpec, datacenterNamed, type Federation, redirectedServices } from '../spec.ts'
import { leaders, leadersOf, seenLeaders } from '../traffic/load-balancers.ts'
import { federationFindings } from './findings-of-federation.ts'
import { findingOf, troublesOf } from './findings-of-site.ts'
import { findingsOfSnapshots } from './findings-of-snapshots.ts'
import { severityOf } from './severities.ts'

type States = StatesPerSite<ConsulState>

const ofTraffic = trafficAssessment(leaders, () => [])

function all(component: Federation, states: States, intent: Intent | null, around: Assessment): Finding[] {
  return [
    ...around.stack.sites.flatMap(({ name }) => ofSite(component, name, { states, intent, around })),
    ...federationFindings(component, states),
    ...traffic(component, states, intent, around),
    ...(intent === null ? [] : redirectsOutOfReach(component, intent)),
    ...findingsOfSnapshots(component, states, around),
  ]
}

interface Question {
  readonly states: States
  readonly intent: Intent | null
  readonly around: Assessment
}

function ofSite(component: Federation, site: SiteName, { states, intent, around }: Question): Finding[] {
  const seen = states[site]
  if (seen?.kind === 'answering')
    return troublesOf(component, site, seen.state, around).map((trouble) =>
      findingOf(component, site, severityOf(component, trouble.code, site, intent), trouble),
    )
  return [
    findingOf(component, site, severityOf(component, 'consul-silent', site, intent), {
      code: 'consul-silent',
      what: `no server of ${datacenterNamed(component, site)} answers: ${seen?.why ?? 'it was not observed'}`,
      next: 'Look at the Consul servers of the site. Their silence says nothing of the site: ask status for its liveness.',
      unanswered: true,
    }),
  ]
}

/** What leads users, judged as load balancers are. */
function traffic(component: Federation, states: States, intent: Intent | null, around: Assessment): Finding[] {
  if (leadersOf(component).length === 0) return []
  const seen = seenLeaders(component, { ...silentIn(around.elsewhere), ...states })
  const ofMode =
    intent === null ? undefined : ofTraffic.moves?.[asDriversKnow(intent).mode]?.(component, seen, intent, around)
  return ofMode ?? ofTraffic.status(component, seen, around)
}

/**
 * A move flips the queries of every datacenter, and one that is silent ends it: that is said before its doors close.
 * What else is wrong at a third site is set right by the move.
 */
const silentIn = (elsewhere: Assessment['elsewhere'] = {}): States =>
  Object.fromEntries(
    Object.entries(elsewhere).flatMap(([site, seen]) => (seen.kind === 'silent' ? [[site, seen]] : [])),
  )

/**
 * Configuration entries are written in the primary datacenter alone, whichever server is asked: with its site lost
 * they cannot be changed (measured: 500). A plan never rests on one then.
 */
function redirectsOutOfReach(component: Federation, intent: Intent): Finding[] {
  const { primary, traffic: declared } = component.spec
  const services = redirectedServices(component)
  if (intent.mode !== 'failover' || primary !== intent.from || services.length === 0) return []
  const isLeft = declared?.redirects?.whenPrimaryIsLost === 'leave'
  return [
    codes.finding('consul-redirect-out-of-reach', component, {
      site: intent.from,
      severity: isLeft ? 'warning' : 'blocker',
      what: `the redirect of ${services.join(', ')} cannot be changed while ${datacenterNamed(component, primary)} is lost, because it is the primary datacenter${isLeft ? ': it is left as it is, and the prepared queries lead to the new site' : ''}`,
      next: isLeft
        ? `The mesh goes on leading to ${intent.from}. The rejoin of ${intent.from} sets the redirect.`
        : 'Declare prepared queries for what uses it, and `whenPrimaryIsLost: leave`; or make another datacenter the primary one (restart its servers with primary_datacenter), and plan again.',
    }),
  ]
}

export const assessment: Assesses<ConsulSpec, States> = {
  status: (component, states, around) => all(component, states, null, around),
  moves: { switchover: all, failover: all, rejoin: all, reopen: all },
}
