import { EVERYWHERE } from '../../domain/observed.ts'
import type { Progress } from '../../domain/progress.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../driver/deployment.ts'
import { minutes } from '../../values/duration.ts'
import { holds, type InstanceState, readInstance, setValue } from './instance.ts'
import { runnerFor } from './observe.ts'
import { servedFromOutside } from './served-from-outside.ts'
import { backendOf, closedValue, type Traffic } from './spec.ts'

/**
 * Opens the traffic of a stack that does not serve yet, and writes to the file what an instance serves already.
 * An instance that serves another site is left alone: to take users elsewhere is a move's business, not a deploy's.
 */
export function firstValueUnit(component: Traffic, deployment: Deployment, context: DriverContext): DeployUnit {
  const { spec } = component
  const value = backendOf(component, deployment.activeSite)
  const visit = (signal: AbortSignal) =>
    Promise.all(
      spec.instances.map(async ({ host }) => {
        const runner = await runnerFor(component, host, context)
        const reading = await readInstance(runner, host, spec, signal)
        return { host, runner, reading, view: reading.view }
      }),
    )
  return {
    id: `${component.name}.${spec.key}@${EVERYWHERE}`,
    site: null,
    needs: [],
    title: `Opens the load balancers to ${deployment.activeSite}`,
    deadline: minutes(2),
    async diff(signal): Promise<Change[]> {
      const differing = (await visit(signal)).filter(({ view }) => isOurs(component, view, value))
      return differing.flatMap(({ host, view }): Change[] => {
        const at = { kind: 'update' as const, object: `${host}:${spec.map}`, path: spec.key, to: value }
        return view.runtime === value ? [{ ...at, from: view.file }] : [{ ...at, from: view.runtime }]
      })
    },
    async apply(signal) {
      const differing = (await visit(signal)).filter(({ view }) => isOurs(component, view, value))
      await Promise.all(
        differing.map(({ host, runner, reading }) =>
          setValue(runner, host, spec, { value, before: reading, cut: null }, signal),
        ),
      )
    },
    async ready(signal): Promise<Progress> {
      const waiting = (await visit(signal)).filter(({ view }) => !holds(view, value))
      const elsewhere = waiting.find(({ view }) => !isOurs(component, view, value))
      if (elsewhere !== undefined)
        return {
          is: 'failed',
          code: 'traffic-elsewhere',
          why: `${elsewhere.host} serves ${elsewhere.view.runtime}, not ${value}`,
          next: 'Finish the move that was begun, or set the key by hand.',
        }
      if (waiting.length > 0)
        return { is: 'pending', waitingFor: `${waiting.map(({ host }) => host).join(', ')} to hold ${value}` }
      const served = await servedFromOutside(component, deployment.activeSite, signal)
      return served.is === 'done' ? { is: 'done', proof: { value, ...served.proof } } : served
    },
  }
}

/** Whether a deploy may and must write here. */
function isOurs(component: Traffic, view: InstanceState, value: string): boolean {
  const unset = (held: string | null): boolean => held === null || held === closedValue(component)
  const opens = unset(view.runtime) && (unset(view.file) || view.file === value)
  return !holds(view, value) && (opens || view.runtime === value)
}
