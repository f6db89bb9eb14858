import { withinDeadline } from '../../clients/within-deadline.ts'
import { type Milliseconds, readableDuration, seconds } from '../../duration.ts'
import { asStandbyError, timeoutError } from '../../errors.ts'
import type { BySite, Observed } from '../../observation/observation.ts'
import { EVERYWHERE } from '../../observation/observation.ts'
import type { Assessment, DriverContext } from '../../planning/driver.ts'
import type { Finding, Intent } from '../../planning/plan.ts'
import { type HostRunner, type InstanceState, readInstance } from './instance.ts'
import { backendOf, siteOfValue, type Traffic } from './spec.ts'

/** Where each instance sends users, and where it would after a reload. */
export interface HaproxyState {
  readonly instances: Readonly<Record<string, InstanceView>>
}
export type InstanceView = ({ readonly kind: 'answering' } & InstanceState) | { readonly kind: 'silent'; readonly why: string }

/** An instance that is gone is known before the whole observation is given up. */
const CONNECT_TIMEOUT = seconds(2)
const OBSERVATION = seconds(2.5)
const COMMAND = seconds(5)

/** A runner for one host, over the operation's shared connection. */
export async function runnerFor(
  component: Traffic,
  host: string,
  context: Pick<DriverContext, 'ssh' | 'credential'>,
  deadline: Milliseconds = COMMAND,
): Promise<HostRunner> {
  const { ssh } = component.spec
  const runner = context.ssh({
    host,
    user: ssh.user,
    port: ssh.port,
    privateKey: await context.credential(ssh.privateKey),
    knownHosts: await context.credential(ssh.knownHosts),
    connectTimeout: CONNECT_TIMEOUT,
  })
  return (command, stdin, signal) => {
    const late = () => timeoutError('process-timeout', `a command on ${host} did not end within ${readableDuration(deadline)}`)
    return withinDeadline(deadline, [signal], () => runner.run(command, stdin, deadline), late)
  }
}

export async function observeTraffic(component: Traffic, context: DriverContext): Promise<Observed<HaproxyState>> {
  const views = await Promise.all(
    component.spec.instances.map(async ({ host }): Promise<readonly [string, InstanceView]> => {
      try {
        const runner = await runnerFor(component, host, context, OBSERVATION)
        return [host, { kind: 'answering', ...(await readInstance(runner, host, component.spec, context.signal)).view }]
      } catch (error) {
        return [host, { kind: 'silent', why: asStandbyError(error).message }]
      }
    }),
  )
  if (views.every(([, view]) => view.kind === 'silent'))
    return { kind: 'silent', why: views.map(([host, view]) => `${host}: ${view.kind === 'silent' ? view.why : ''}`).join('; ') }
  return summarized(component, Object.fromEntries(views))
}

function summarized(component: Traffic, instances: HaproxyState['instances']): Observed<HaproxyState> {
  const answering = Object.values(instances).flatMap((view) => (view.kind === 'answering' ? [view] : []))
  const values = [...new Set(answering.flatMap((view) => [view.runtime, view.file]))]
  const whole = answering.length === Object.keys(instances).length
  const value = values.length === 1 ? (values[0] ?? null) : null
  return {
    kind: 'answering',
    state: { instances },
    role: values.length > 1 ? 'split' : 'unknown',
    health: values.length > 1 || !whole ? 'degraded' : 'healthy',
    text: `${values.length > 1 ? `instances disagree: ${values.map((one) => one ?? 'nothing').join(', ')}` : `serves ${siteOfValue(component, value) ?? 'no site'}`}, ${answering.length}/${Object.keys(instances).length} instances answer`,
    facts: [
      {
        name: component.spec.key,
        value: values
          .map((one) => one ?? '')
          .sort()
          .join(','),
        binds: 'exactly',
      },
    ],
  }
}

/** What stands against a move, or should be known anyway. Pure. */
export function assessTraffic(component: Traffic, states: BySite<HaproxyState>, intent: Intent | null, assessment: Assessment): Finding[] {
  const severity = intent === null ? 'warning' : 'blocker'
  const say = (code: string, level: Finding['severity'], what: string, next?: string): Finding => ({
    code,
    severity: level,
    component: component.name,
    what,
    ...(next === undefined ? {} : { next }),
  })
  const seen = states[EVERYWHERE]
  if (seen === undefined) return []
  if (seen.kind !== 'answering')
    return [say('load-balancer-silent', severity, `no load balancer answers: ${seen.why}`, 'Restore ssh access to them.')]
  return Object.entries(seen.state.instances).flatMap(([host, view]): Finding[] => {
    if (view.kind === 'silent')
      return [
        say(
          'load-balancer-silent',
          severity,
          `${host} does not answer: ${view.why}`,
          'A switch that misses an instance leaves users on the old site.',
        ),
      ]
    const found: Finding[] = []
    if (view.runtime === null)
      found.push(
        say(
          'load-balancer-key-missing',
          severity,
          `${host} has no key ${component.spec.key} in ${component.spec.map} at run time`,
          'Run a deploy; haproxy.cfg must use the map.',
        ),
      )
    else if (view.runtime !== view.file)
      found.push(
        say(
          'load-balancer-half-switched',
          'warning',
          `${host} serves ${view.runtime} and would serve ${view.file ?? 'nothing'} after a reload`,
          'A deploy writes the file where the load balancer serves the active site; a move that was interrupted is finished by resuming it.',
        ),
      )
    const served = siteOfValue(component, view.runtime)
    if (assessment.activeSite !== null && view.runtime !== null && served !== assessment.activeSite)
      found.push(
        say(
          'traffic-elsewhere',
          severity,
          `${host} serves ${served ?? 'no site'}, and the witness says that ${assessment.activeSite} is active`,
          'Finish the move that was begun, or set the key.',
        ),
      )
    const backend = assessment.activeSite === null ? undefined : component.spec.backends[assessment.activeSite]
    if (backend !== undefined && view.servers[backend] !== undefined && !(view.servers[backend] ?? []).some((server) => server.up))
      found.push(say('backend-down', 'warning', `${host} sees no server of ${backend} up`, 'Look at the health check of that backend.'))
    for (const site of assessment.stack.sites)
      if (view.servers[backendOf(component, site.name)] === undefined)
        found.push(
          say(
            'backend-missing',
            severity,
            `${host} has no backend ${backendOf(component, site.name)} for ${site.name}`,
            'Add it to haproxy.cfg, or correct backends in the stack file.',
          ),
        )
    return found
  })
}

/** Whether an instance holds one value, at run time and in its file. */
export const holds = (view: InstanceState, value: string): boolean => view.runtime === value && view.file === value
