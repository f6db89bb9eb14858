import type { Driver } from '../../planning/driver.ts'
import { firstValueUnit } from './deploy.ts'
import { assessTraffic, type HaproxyState, observeTraffic } from './observe.ts'
import { type HaproxySpec, haproxySchema } from './spec.ts'
import { close, closeStep, open, switchStep } from './switch.ts'

/** Traffic through HAProxy: closed on all instances while the data changes hands, then opened to the new site. */
export const haproxy: Driver<HaproxySpec, HaproxyState> = {
  kind: 'haproxy',
  scope: 'stack',
  schema: haproxySchema,
  claims: (component) =>
    component.spec.instances.map(({ host }, index) => ({
      key: `haproxy ${host} ${component.spec.map} ${component.spec.key}`,
      path: ['instances', String(index)],
    })),
  access: () => [],
  observe: (component, _site, context) => observeTraffic(component, context),
  assess: assessTraffic,
  deploy: async (component, _site, deployment, context) => [firstValueUnit(component, deployment, context)],
  move: (component, _states, intent) => [closeStep(component, intent), switchStep(component, intent)],
  behaviours: { close, switch: open },
}
