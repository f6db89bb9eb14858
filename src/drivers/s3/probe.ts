import type { Component, SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, DeployUnit } from '../../driver/deployment.ts'
import { minutes } from '../../values/duration.ts'
import { noPreconditions, refused } from '../../witness/refused.ts'
import { conditionalWritesIn } from './observe.ts'
import { PROBE, PROBE_RESULT, type S3Spec } from './spec.ts'

/** Proves once, with real writes, that the bucket takes objects and whether it honours preconditions. */
export function probeUnit(component: Component<S3Spec>, site: SiteName, context: DriverContext): DeployUnit {
  const { location, open } = context.objectStore(component.name, site)
  const object = `${location.endpoint}/${location.bucket}/${location.prefix}${PROBE_RESULT}`
  return {
    id: `${component.name}.probe@${site}`,
    site,
    needs: [],
    title: `Proves that ${location.bucket} takes objects and whether it honours preconditions`,
    deadline: minutes(1),
    async diff(signal): Promise<Change[]> {
      const found = await (await open('read')).get(PROBE_RESULT, { signal })
      return found === null ? [{ kind: 'create', object }] : []
    },
    async apply(signal) {
      const store = await open('write')
      const key = `${PROBE}${context.clock.now().toISOString()}`
      const again = (): Promise<string> => store.put(key, 'again', { signal, condition: { ifAbsent: true } })
      const plain = (): Promise<string> => store.put(key, 'probe', { signal })
      await plain()
      const conditionalWrites = await refused(again).catch(async (error: unknown) => {
        if ((await noPreconditions(error, plain)) === null) throw error
        return false
      })
      await store.remove(key, { signal })
      await store.put(PROBE_RESULT, JSON.stringify({ schemaVersion: 1, conditionalWrites }), {
        signal,
        contentType: 'application/json',
      })
    },
    async ready(signal) {
      const found = await (await open('read')).get(PROBE_RESULT, { signal })
      return found === null
        ? { is: 'pending', waitingFor: 'the probe to be readable' }
        : { is: 'done', proof: { conditionalWrites: conditionalWritesIn(found.body) } }
    },
  }
}
