import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../driver/deployment.ts'
import { performCall } from '../../systems/declared-call/perform.ts'
import { minutes } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { describe, readBack } from './observe.ts'
import { type Routing, timeoutOf, valueFor } from './spec.ts'

/**
 * Opens the traffic of a stack that is closed, as before its first deploy. Traffic that is sent elsewhere is left
 * alone: to take users elsewhere is a move's business, not a deploy's.
 */
export function firstValueUnit(component: Routing, { activeSite }: Deployment, context: DriverContext): DeployUnit {
  const value = valueFor(component, activeSite)
  return {
    id: `${component.name}.routing`,
    site: null,
    needs: [],
    title: `Sends users to ${activeSite}`,
    deadline: minutes(2),
    async diff(signal): Promise<Change[]> {
      const seen = await readBack(component, context, signal)
      if ('unknown' in seen)
        throw codes.error('routing-unknown', `it is unknown what users are sent to: ${seen.unknown}`, {
          retry: 'transient',
          where: component.name,
          unanswered: true,
        })
      if (seen.serves !== 'closed') return []
      return [{ kind: 'update', object: component.name, path: 'routing', from: seen.value, to: value }]
    },
    async apply(signal) {
      const asking = {
        values: { site: activeSite, value },
        deadline: timeoutOf(component),
        reach: 'outside-sites',
        signal,
      } as const
      const { succeeded, text } = await performCall(component.spec.open, asking, context)
      if (!succeeded)
        throw codes.error('routing-refused', `open was refused: ${text}`, {
          retry: 'never',
          where: `${component.name} open`,
          next: 'Correct the call open in the stack file, or what refuses it.',
        })
    },
    async ready(signal) {
      const seen = await readBack(component, context, signal)
      if ('unknown' in seen) return { is: 'unknown', why: `it is unknown what users are sent to: ${seen.unknown}` }
      if (seen.serves === activeSite) return { is: 'done', proof: { value: seen.value, serves: activeSite } }
      if (seen.serves === 'closed') return { is: 'pending', waitingFor: `${component.name} to serve ${activeSite}` }
      return {
        is: 'failed',
        code: codes.code['routing-elsewhere'],
        why: `${component.name} ${describe(seen)}, not ${activeSite}`,
        next: 'Finish the move that was begun, or send users to the active site by hand.',
      }
    },
  }
}
