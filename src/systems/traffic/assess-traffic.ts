import type { Finding, Intent } from '../../domain/plan.ts'
import type { Component } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Assesses } from '../../driver/capabilities.ts'
import type { InstanceView, LoadBalancers, Reading, SeenTraffic } from './load-balancers.ts'
import { waysOut } from './lost-with-site.ts'

/** One instance that answers, for what a driver adds of its own. `severity`: of what stands against this intent. */
export interface AnsweringInstance<Spec, R extends Reading> {
  readonly component: Component<Spec>
  readonly name: string
  readonly view: R['view']
  /** null: for status. */
  readonly intent: Intent | null
  readonly around: Assessment
  readonly severity: 'warning' | 'blocker'
}

/** What stands against a move of the traffic, or should be known anyway. Pure. */
export function trafficAssessment<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  more: (instance: AnsweringInstance<Spec, R>) => Finding[],
): Assesses<Spec, SeenTraffic<R['view']>> {
  const findings = (
    component: Component<Spec>,
    seen: SeenTraffic<R['view']>,
    intent: Intent | null,
    around: Assessment,
  ): Finding[] => {
    if (seen.kind !== 'answering')
      return [
        of.codes.finding('load-balancer-silent', component, {
          severity: intent === null ? 'warning' : 'blocker',
          what: `no load balancer answers: ${seen.why}`,
          next: 'Restore the access to them.',
          unanswered: true,
        }),
      ]
    return of.instances(component).flatMap(({ name, site: stands }) => {
      const view = seen.state.instances[name]
      return view === undefined ? [] : ofInstance(of, { component, name, stands, intent, around }, view, more)
    })
  }
  return {
    status: (component, seen, around) => findings(component, seen, null, around),
    moves: {
      switchover: findings,
      failover: findings,
      rejoin: findings,
      reopen: findings,
    },
  }
}

interface About<Spec> {
  readonly component: Component<Spec>
  readonly name: string
  /** The site in which the instance stands. */
  readonly stands: string | undefined
  readonly intent: Intent | null
  readonly around: Assessment
}

function ofInstance<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  about: About<Spec>,
  view: InstanceView<R['view']>,
  more: (instance: AnsweringInstance<Spec, R>) => Finding[],
): Finding[] {
  const { component, name, stands, intent, around } = about
  const isLost = intent?.mode === 'failover' && stands === intent.from
  const severity = intent === null || isLost ? 'warning' : 'blocker'
  if (view.kind === 'silent') return [silent(of, about, view.why, severity)]
  return [
    ...unclear(of, about, view, severity),
    ...elsewhere(of, about, view, severity),
    ...more({ component, name, view, intent, around, severity }),
  ]
}

function silent<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  { component, name, stands, intent }: About<Spec>,
  why: string,
  severity: Finding['severity'],
): Finding {
  if (intent?.mode === 'failover' && stands === intent.from)
    return of.codes.finding('load-balancer-lost', component, {
      severity: 'warning',
      what: `${name} stands in ${intent.from} and does not answer: users who still reach it are sent to ${intent.from}`,
      next: `The failover goes on without it. Lead its users to the other load balancers; when ${intent.from} is back, its guard keeps it closed, and a rejoin sets ${name}.`,
    })
  // Also in a failover: an instance that cannot be asked may go on sending its users to the lost site, which may write
  // as soon as it is back.
  return of.codes.finding('load-balancer-silent', component, {
    severity,
    what: `${name} does not answer: ${why}`,
    next: `A switch that misses an instance leaves its users on the old site. ${waysOut(intent)}`,
    unanswered: true,
  })
}

/** No value at all, or two. */
function unclear<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  { component, name }: About<Spec>,
  { runtime, file }: R['view'],
  severity: Finding['severity'],
): Finding[] {
  if (runtime === null)
    return [of.codes.finding('load-balancer-key-missing', component, { severity, ...of.unset(component, name) })]
  if (runtime === file) return []
  return [
    of.codes.finding('load-balancer-half-switched', component, {
      severity: 'warning',
      what: `${name} serves ${runtime} and would serve ${file ?? 'nothing'} after a reload`,
      next: 'A deploy writes the file where the load balancer serves the active site; a move that was interrupted is finished by resuming it.',
    }),
  ]
}

function elsewhere<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  { component, name, stands, intent, around: { activeSite } }: About<Spec>,
  { runtime }: R['view'],
  severity: Finding['severity'],
): Finding[] {
  const served = of.siteOf(component, runtime)
  if (activeSite === null || runtime === null || served === activeSite) return []
  // It came back with its site, with the value of before.
  const returned = intent?.mode === 'rejoin' && stands === intent.to
  // In an emergency people close the doors by hand, or open those of the other site: a failover closes them, and opens
  // the right ones, anyway.
  const byHand = intent?.mode === 'failover' && (served === null || served === intent.to)
  return [
    of.codes.finding('traffic-elsewhere', component, {
      severity: byHand || intent?.mode === 'reopen' || returned ? 'warning' : severity,
      what: `${name} serves ${served ?? 'no site'}, and the witness says that ${activeSite} is active`,
      next: wayBack(),
    }),
  ]

  function wayBack(): string {
    if (returned) return `The rejoin leads it to ${intent.from} before anything else.`
    return stands !== undefined && stands === served
      ? `It came back with ${stands}: a rejoin of ${stands} leads it to ${activeSite}, or set the ${of.nameOfSetting} now.`
      : `Finish the move that was begun, or set the ${of.nameOfSetting}.`
  }
}
