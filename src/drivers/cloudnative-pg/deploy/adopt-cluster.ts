import type { DeployUnit } from '../../../driver/deployment.ts'
import { type DeclaredObject, isOwnedBy } from '../../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { isObject, type JsonObject } from '../../../values/json.ts'
import { type ClusterObject, OBJECT_STORE, PLUGIN, readCluster, serverNameOf } from '../objects.ts'
import { clusterOf } from '../spec.ts'
import { adoptionChanges, type LiveArchive } from './adoption.ts'
import { archiveConfiguration, archiveName } from './manifests.ts'
import type { Place } from './place.ts'
import { readUserSpec } from './user-spec.ts'

/**
 * The unit of a Cluster that others made: its comparison says what stays, and refuses what an adoption must not
 * change.
 */
export function adopting(
  place: Place,
  unit: DeployUnit,
  declare: (signal: AbortSignal) => Promise<DeclaredObject>,
): DeployUnit {
  const { component, site, context, deployment } = place
  return {
    ...unit,
    async diff(signal) {
      const changes = await unit.diff(signal)
      const live = await readCluster(
        context.platform(KUBERNETES, site),
        component.spec.namespace,
        clusterOf(component, site),
        signal,
      )
      if (live === null || !deployment.adopt || isOwnedBy(live, context.stack.name, component.name)) return changes
      const { location } = context.objectStore(component.spec.archive.store, site)
      const configuration = archiveConfiguration(
        component,
        { site, location, serverName: '' },
        archiveName(component, site),
      )
      const said = adoptionChanges({
        component,
        live,
        archive: await archiveOf(place, live, signal),
        declaredArchive: {
          destinationPath: String(configuration.destinationPath),
          endpointURL: String(configuration.endpointURL),
        },
        declared: (await declare(signal)).object.spec as JsonObject,
        userSpec: await readUserSpec(component, context.stack),
      })
      return [...changes, ...said]
    },
  }
}

/** Where a Cluster archives now, as it says itself, and as its ObjectStore says. */
async function archiveOf(
  { component, site, context }: Place,
  live: ClusterObject,
  signal: AbortSignal,
): Promise<LiveArchive | null> {
  const serverName = serverNameOf(live)
  if (serverName === null) return null
  const plugin = live.spec.plugins?.find(({ name, enabled }) => name === PLUGIN && enabled !== false)
  if (plugin === undefined) {
    const { barmanObjectStore, retentionPolicy = null } = live.spec.backup ?? {}
    return { method: 'in-tree', serverName, ...placeOf(barmanObjectStore), retention: retentionPolicy }
  }
  const name = plugin.parameters?.barmanObjectName ?? ''
  const store = await context
    .platform(KUBERNETES, site)
    .get({ ...OBJECT_STORE, namespace: component.spec.namespace, name }, { signal })
  const { configuration, retentionPolicy } = (store?.spec ?? {}) as {
    readonly configuration?: object
    readonly retentionPolicy?: string
  }
  return { method: 'plugin', serverName, ...placeOf(configuration), retention: retentionPolicy ?? null }
}

function placeOf(configuration: unknown): Pick<LiveArchive, 'destinationPath' | 'endpointURL'> {
  const said = isObject(configuration) ? configuration : {}
  return { destinationPath: String(said.destinationPath ?? ''), endpointURL: String(said.endpointURL ?? '') }
}
