import type { Condition } from '../../platform/kubernetes/client/conditions.ts'
import { type ClusterObject, FENCE } from './objects.ts'

/** The field that says which side is the primary. */
export const DIRECTION = ['spec', 'replica', 'primary'] as const
/** The field managers that the operator has: its program is called `manager`. */
export const OPERATOR = /^(manager|cloudnative-pg|cnpg)/

/**
 * What the operator remembers of a demotion while it works on it (replicaclusterswitch/conditions.go of 1.30). It looks
 * at none of it once the cluster is told that it is the primary: somebody who writes the old direction back in the
 * first second leaves all of it behind, and a fence that nobody lifts. The next demotion then takes the first for its
 * own, and waits for a shutdown that was over long ago.
 */
const MEMORY: ReadonlySet<string> = new Set([
  'ReplicaClusterDesignatedPrimaryTransition',
  'ReplicaClusterFencing',
  'ReplicaClusterSwitch',
])
/** The two that the operator acts upon; the third is for people, and stays after a demotion that ended well. */
const ACTED_UPON = ['ReplicaClusterDesignatedPrimaryTransition', 'ReplicaClusterFencing']

/**
 * What is left of a demotion on a cluster that is told to be the primary; null where nothing is, or where a demotion is
 * under way. Pure.
 */
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

/** Whether the operator remembers a demotion that is not under way; a fence alone may be somebody's own. Pure. */
export const remembersSwitch = (cluster: ClusterObject): boolean => {
  const left = leftOfSwitch({ ...cluster, metadata: { ...cluster.metadata, annotations: {} } })
  return left !== null
}

/** The conditions of a cluster without those of a demotion. Pure. */
export const withoutMemory = (conditions: readonly Condition[]): Condition[] =>
  conditions.filter(({ type }) => !MEMORY.has(type))
