import { EVERYWHERE } from '../../domain/observed.ts'
import type { Progress } from '../../domain/progress.ts'
import type { Component } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../driver/deployment.ts'
import { minutes } from '../../values/duration.ts'
import { type Held, holds, type LoadBalancers, type Reading, reachOf } from './load-balancers.ts'
import { servedFromOutside } from './served-from-outside.ts'

/**
 * Opens the traffic of a stack that does not serve yet, and writes to the file what an instance serves already. An
 * instance that serves another site is left alone: to lead users elsewhere is a move's business, not a deploy's.
 */
export function firstValueUnit<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  component: Component<Spec>,
  deployment: Deployment,
  context: DriverContext,
): DeployUnit {
  const name = of.nameOfValue(component)
  const value = of.valueOf(component, deployment.activeSite)
  const visit = (signal: AbortSignal) =>
    Promise.all(
      of.instances(component).map(async (instance) => {
        const reached = await of.reach(component, instance.name, context, { reach: reachOf(instance) })
        const reading = await reached.read(signal)
        return { host: instance.name, reached, reading, view: reading.view }
      }),
    )
  return {
    id: `${component.name}.${name}@${EVERYWHERE}`,
    site: null,
    needs: [],
    title: `Opens the load balancers to ${deployment.activeSite}`,
    deadline: minutes(2),
    async diff(signal): Promise<Change[]> {
      const differing = (await visit(signal)).filter(({ view }) => isOurs(of, component, view, value))
      return differing.map(({ host, view }): Change => {
        const at = { kind: 'update', object: of.objectOf(component, host), path: name, to: value } as const
        return { ...at, from: view.runtime === value ? view.file : view.runtime }
      })
    },
    async apply(signal) {
      const differing = (await visit(signal)).filter(({ view }) => isOurs(of, component, view, value))
      await Promise.all(
        differing.map(({ reached, reading }) => reached.set({ value, before: reading, cut: null }, signal)),
      )
    },
    async ready(signal): Promise<Progress> {
      const waiting = (await visit(signal)).filter(({ view }) => !holds(view, value))
      const elsewhere = waiting.find(({ view }) => !isOurs(of, component, view, value))
      if (elsewhere !== undefined)
        return {
          is: 'failed',
          code: of.codes.code['traffic-elsewhere'],
          why: `${elsewhere.host} serves ${elsewhere.view.runtime}, not ${value}`,
          next: `Finish the move that was begun, or set the ${of.nameOfSetting} by hand.`,
        }
      if (waiting.length > 0)
        return { is: 'pending', waitingFor: `${waiting.map(({ host }) => host).join(', ')} to hold ${value}` }
      const served = await servedFromOutside(
        of.instances(component),
        of.verification(component),
        deployment.activeSite,
        { context, signal },
      )
      return served.is === 'done' ? { is: 'done', proof: { value, ...served.proof } } : served
    },
  }
}

/** Whether a deploy may and must write here. */
function isOurs<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  component: Component<Spec>,
  view: Held,
  value: string,
): boolean {
  const isUnset = (held: string | null): boolean => held === null || held === of.closedValue(component)
  const opens = isUnset(view.runtime) && (isUnset(view.file) || view.file === value)
  return !holds(view, value) && (opens || view.runtime === value)
}
