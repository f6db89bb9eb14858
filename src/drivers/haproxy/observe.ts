import type { Observed } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { type HostRunner, type InstanceState, readInstance } from './instance.ts'
import { siteOfValue, type Traffic } from './spec.ts'

/** Where each instance sends users, and where it would after a reload. */
export interface HaproxyState {
  readonly instances: Readonly<Record<string, InstanceView>>
}
export type InstanceView =
  | ({ readonly kind: 'answering' } & InstanceState)
  | { readonly kind: 'silent'; readonly why: string }

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
  const { ssh, instances } = component.spec
  const site = instances.find((instance) => instance.host === host)?.site
  const runner = context.ssh(
    {
      host,
      user: ssh.user,
      port: ssh.port,
      privateKey: await context.credential(ssh.privateKey),
      knownHosts: await context.credential(ssh.knownHosts),
      connectTimeout: CONNECT_TIMEOUT,
    },
    site === undefined ? 'outside-sites' : { site: site as SiteName, mayBeLost: deadline },
  )
  return (command, stdin, signal) => runner.run(command, stdin, deadline, signal)
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
    return {
      kind: 'silent',
      why: views.map(([host, view]) => `${host}: ${view.kind === 'silent' ? view.why : ''}`).join('; '),
    }
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
