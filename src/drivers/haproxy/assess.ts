import { type BySite, EVERYWHERE } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { AnyReasonCode } from '../../errors/reason-codes.ts'
import { waysOut } from './instances.ts'
import type { HaproxyState, InstanceView } from './observe.ts'
import { backendOf, siteOfValue, type Traffic } from './spec.ts'

/** What stands against a move, or should be known anyway. Pure. */
export function assessTraffic(
  component: Traffic,
  states: BySite<HaproxyState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const seen = states[EVERYWHERE]
  if (seen === undefined) return []
  const severity = intent === null ? 'warning' : 'blocker'
  if (seen.kind !== 'answering')
    return [
      {
        code: 'load-balancer-silent',
        severity,
        component: component.name,
        what: `no load balancer answers: ${seen.why}`,
        next: 'Restore ssh access to them.',
      },
    ]
  return Object.entries(seen.state.instances).flatMap(([host, view]) =>
    ofInstance({ component, host, intent, assessment }, view),
  )
}

interface About {
  readonly component: Traffic
  readonly host: string
  readonly intent: Intent | null
  readonly assessment: Assessment
}

function ofInstance(about: About, view: InstanceView): Finding[] {
  const { component, host, intent, assessment } = about
  const stands = component.spec.instances.find((instance) => instance.host === host)?.site
  const isLost = intent?.mode === 'failover' && stands === intent.from
  const severity = intent === null || isLost ? 'warning' : 'blocker'
  const say = (code: AnyReasonCode, level: Finding['severity'], what: string, next: string): Finding[] => [
    { code, severity: level, component: component.name, what, next },
  ]
  if (view.kind === 'silent' && isLost)
    return say(
      'load-balancer-lost',
      'warning',
      `${host} stands in ${intent.from} and does not answer: users who still reach it are sent to ${intent.from}`,
      `The failover goes on without it. Lead its users to the other load balancers; when ${intent.from} is back, its guard keeps it closed, and a rejoin sets ${host}.`,
    )
  if (view.kind === 'silent')
    // Also in a failover: an instance that nobody can ask may go on sending its users to the lost site, whose next
    // breath is a write.
    return say(
      'load-balancer-silent',
      severity,
      `${host} does not answer: ${view.why}`,
      `A switch that misses an instance leaves its users on the old site. ${waysOut(intent)}`,
    )
  const found: Finding[] = []
  if (view.runtime === null)
    found.push(
      ...say(
        'load-balancer-key-missing',
        severity,
        `${host} has no key ${component.spec.key} in ${component.spec.map} at run time`,
        'Run a deploy; haproxy.cfg must use the map.',
      ),
    )
  else if (view.runtime !== view.file)
    found.push(
      ...say(
        'load-balancer-half-switched',
        'warning',
        `${host} serves ${view.runtime} and would serve ${view.file ?? 'nothing'} after a reload`,
        'A deploy writes the file where the load balancer serves the active site; a move that was interrupted is finished by resuming it.',
      ),
    )
  const served = siteOfValue(component, view.runtime)
  // It came back with its site, with the value of before.
  const returned = intent?.mode === 'rejoin' && stands === intent.to
  if (assessment.activeSite !== null && view.runtime !== null && served !== assessment.activeSite)
    found.push(
      ...say(
        'traffic-elsewhere',
        // In an emergency people close the door by hand, or open the other one: a failover closes it, and opens the
        // right one, anyway.
        (intent?.mode === 'failover' && (served === null || served === intent.to)) ||
          intent?.mode === 'reopen' ||
          returned
          ? 'warning'
          : severity,
        `${host} serves ${served ?? 'no site'}, and the witness says that ${assessment.activeSite} is active`,
        returned
          ? `The rejoin leads it to ${intent.from} before anything else.`
          : stands !== undefined && stands === served
            ? `It came back with ${stands}: a rejoin of ${stands} leads it to ${assessment.activeSite}, or set the key now.`
            : 'Finish the move that was begun, or set the key.',
      ),
    )
  return [...found, ...ofBackends(about, view, severity)]
}

function ofBackends(
  { component, host, intent, assessment }: About,
  view: Extract<InstanceView, { kind: 'answering' }>,
  severity: 'warning' | 'blocker',
): Finding[] {
  const lost = intent?.mode === 'failover' ? intent.from : null
  const found: Finding[] = []
  const active = assessment.activeSite === null ? undefined : component.spec.backends[assessment.activeSite]
  const servers = active === undefined ? [] : (view.backends[active]?.servers ?? [])
  if (lost === null && servers.length > 0 && !servers.some((server) => server.up))
    found.push({
      code: 'backend-down',
      severity: 'warning',
      component: component.name,
      what: `${host} sees no server of ${active} up`,
      next: 'Look at the health check of that backend.',
    })
  for (const { name } of assessment.stack.sites)
    if (name !== lost && view.backends[backendOf(component, name)] === undefined)
      found.push({
        code: 'backend-missing',
        severity,
        component: component.name,
        what: `${host} has no backend ${backendOf(component, name)} for ${name}`,
        next: 'Add it to haproxy.cfg, or correct backends in the stack file.',
      })
  return found
}
