import type { Component } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import {
  type Held,
  type InstanceView,
  type LoadBalancers,
  type Reading,
  reachOf,
  type SeenTraffic,
  type TrafficState,
} from './load-balancers.ts'

/** An instance that is gone is known before the whole observation is given up. */
const OBSERVATION: Milliseconds = seconds(2.5)

/** All instances side by side; silent only when none answers. */
export async function observeTraffic<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  component: Component<Spec>,
  context: DriverContext,
): Promise<SeenTraffic<R['view']>> {
  const views = await Promise.all(
    of.instances(component).map(async (instance): Promise<readonly [string, InstanceView<R['view']>]> => {
      try {
        const reached = await of.reach(component, instance.name, context, {
          reach: reachOf(instance),
          deadline: OBSERVATION,
        })
        return [instance.name, answering((await reached.read(context.signal)).view)]
      } catch (error) {
        return [instance.name, { kind: 'silent', why: asStandbyError(error).message }]
      }
    }),
  )
  if (views.every(([, view]) => view.kind === 'silent'))
    return {
      kind: 'silent',
      why: views.map(([name, view]) => `${name}: ${view.kind === 'silent' ? view.why : ''}`).join('; '),
    }
  return summarized(of, component, Object.fromEntries(views))
}

const answering = <H extends Held>(view: H): InstanceView<H> => ({ kind: 'answering', ...view })

function summarized<Spec, R extends Reading>(
  of: LoadBalancers<Spec, R>,
  component: Component<Spec>,
  instances: TrafficState<R['view']>['instances'],
): SeenTraffic<R['view']> {
  const heard = Object.values(instances).flatMap((view) => (view.kind === 'answering' ? [view] : []))
  const values = [...new Set(heard.flatMap((view) => [view.runtime, view.file]))]
  const [value = null] = values
  const count = Object.keys(instances).length
  const doors =
    values.length > 1
      ? `instances disagree: ${values.map((one) => one ?? 'nothing').join(', ')}`
      : `serves ${of.siteOf(component, value) ?? 'no site'}`
  return {
    kind: 'answering',
    state: { instances },
    role: values.length > 1 ? 'split' : 'unknown',
    health: values.length > 1 || heard.length < count ? 'degraded' : 'healthy',
    text: `${doors}, ${heard.length}/${count} instances answer`,
    facts: [
      {
        name: of.nameOfValue(component),
        value: values
          .map((one) => one ?? '')
          .sort()
          .join(','),
        binds: 'exactly',
      },
    ],
  }
}
