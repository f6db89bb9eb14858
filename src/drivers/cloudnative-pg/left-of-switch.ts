import type { Condition } from '../../platform/kubernetes/client/conditions.ts'
import { type ClusterObject, FENCE } from './objects.ts'

/** The field that names the primary. */
export const DIRECTION = ['spec', 'replica', 'primary'] as const
/** The field managers that the operator has: its program is called `manager`. */
export const OPERATOR = /^(manager|cloudnative-pg|cnpg)/

/**
 * What the operator remembers of a demotion while it works on it (replicaclusterswitch/conditions.go of 1.30). It reads
 * none of it once the specification names the cluster as the primary again. A controller that writes the old direction
 * back in the first second leaves all of it there, with a fence that stays. The next demotion then takes it for its
 * own, and waits for a shutdown that was over long ago.
 */
const MEMORY: ReadonlySet<string> = new Set([
  'ReplicaClusterDesignatedPrimaryTransition',
  'ReplicaClusterFencing',
  'ReplicaClusterSwitch',
])
/** The two that the operator acts upon; the third is for people, and stays after a demotion that ended well. */
const ACTED_UPON = ['ReplicaClusterDesignatedPrimaryTransition', 'ReplicaClusterFencing']

/** The remains of a demotion on a cluster that is declared as the primary; null where there are none. Pure. */
export function leftOfSwitch(cluster: ClusterObject): string | null {
  if (cluster.spec.replica?.primary !== undefined && cluster.spec.replica.primary !== cluster.metadata.name) return null
  const conditions = (cluster.status?.conditions ?? [])
    .map(({ type }) => type)
    .filter((type) => ACTED_UPON.includes(type))
  const left = [
    ...(cluster.metadata.annotations?.[FENCE] === undefined ? [] : ['the fence']),
    ...(cluster.status?.switchReplicaClusterStatus?.inProgress === true
      ? ['switchReplicaClusterStatus.inProgress']
      : []),
    ...conditions,
  ]
  return left.length === 0 ? null : left.join(', ')
}

/** Whether the operator remembers a demotion that is not under way; a fence alone may have another purpose. Pure. */
export const remembersSwitch = (cluster: ClusterObject): boolean => {
  const left = leftOfSwitch({ ...cluster, metadata: { ...cluster.metadata, annotations: {} } })
  return left !== null
}

/** The conditions of a cluster without those of a demotion. Pure. */
export const withoutMemory = (conditions: readonly Condition[]): Condition[] =>
  conditions.filter(({ type }) => !MEMORY.has(type))
