import type { KubernetesObject } from '../../../clients/kubernetes-client.ts'
import type { Progress } from '../../../domain/progress.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import { asSeen, onlyAsSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { lastWriterOf, pauseOf } from '../../../platform/kubernetes/field-managers.ts'
import { DIRECTION, leftOfSwitch, OPERATOR, withoutMemory } from '../left-of-switch.ts'
import { type ClusterObject, clusterRef, FENCE } from '../objects.ts'
import { parameter } from '../steps.ts'
import { namespaceOf, type Run } from '../where.ts'

/**
 * Takes away what is left of a demotion, on what was seen; the fence first, for PostgreSQL waits for it, and the memory
 * last, so that whoever dies in between leaves something to be seen. Returns the cluster as it is then.
 */
export async function clearSwitch(run: Run, seen: ClusterObject): Promise<KubernetesObject> {
  const ref = clusterRef(namespaceOf(run), parameter(run.step, 'cluster'))
  const kubernetes = kubernetesOf(run)
  const fenced = seen.metadata.annotations?.[FENCE] !== undefined
  run.context.log.info(
    `${run.step.id}: clears what is left of a demotion on ${seen.metadata.name}: ${leftOfSwitch(seen) ?? 'nothing'}`,
  )
  const unfenced = fenced
    ? await kubernetes.patch(ref, { metadata: { annotations: { [FENCE]: null } } }, onlyAsSeen(run))
    : seen
  const conditions = withoutMemory((unfenced as ClusterObject).status?.conditions ?? [])
  const options = { ...onlyAsSeen({ ...run, restsOn: asSeen(unfenced) }), subresource: 'status' } as const
  return kubernetes.patch(ref, { status: { switchReplicaClusterStatus: { inProgress: false }, conditions } }, options)
}

/**
 * A direction that this run has given, and that somebody else has written back; or (`when`) writes just before it is
 * given.
 */
export function directionReverted(
  cluster: ClusterObject,
  wanted: string,
  when: 'after' | 'before' = 'after',
): Progress {
  const name = cluster.metadata.name
  const who = lastWriterOf(cluster, DIRECTION)
  const value = cluster.spec.replica?.primary ?? 'nothing'
  return {
    is: 'failed',
    code: 'reverted-by-others',
    why:
      when === 'after'
        ? `${who} has changed spec.replica.primary of ${name} back to ${value}, a moment after it was set to ${wanted}`
        : `${who} has written spec.replica.primary of ${name} (${value}), a moment before it was to be set to ${wanted}: it would be taken back`,
    next: `${pauseOf(cluster, DIRECTION, OPERATOR)}, then make a new plan. docs/gitops.md says how both live together.`,
  }
}
