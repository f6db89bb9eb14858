import { type AsSeen, asSeen, ifUnchanged } from '../../../platform/kubernetes/compare-and-set.ts'
import { lastWriterOf, pauseOf } from '../../../platform/kubernetes/field-managers.ts'
import { DIRECTION, leftOfSwitch, OPERATOR, withoutMemory } from '../left-of-switch.ts'
import { type ClusterObject, FENCE } from '../objects.ts'
import { type ClusterRun, type Failed, kubernetesOf, refOf } from '../run.ts'

/**
 * Clears the remains of a demotion from the Cluster `found`, if it is still as it was `seen`. The fence goes first,
 * because PostgreSQL waits for that; what the operator remembers goes last, so that a process that dies in between
 * leaves something to be seen. Returns the precondition of the next change.
 */
export async function clearSwitch(run: ClusterRun, seen: AsSeen, found: ClusterObject): Promise<AsSeen> {
  const kubernetes = kubernetesOf(run)
  const fenced = found.metadata.annotations?.[FENCE] !== undefined
  run.context.log.info(
    `${run.step.id}: clears what is left of a demotion on ${found.metadata.name}: ${leftOfSwitch(found) ?? 'nothing'}`,
  )
  const unfenced = fenced
    ? await kubernetes.patch(refOf(run), { metadata: { annotations: { [FENCE]: null } } }, ifUnchanged(run, seen))
    : found
  const conditions = withoutMemory((unfenced as ClusterObject).status?.conditions ?? [])
  const status = { switchReplicaClusterStatus: { inProgress: false }, conditions }
  const options = { ...ifUnchanged(run, asSeen(unfenced)), subresource: 'status' } as const
  return asSeen(await kubernetes.patch(refOf(run), { status }, options))
}

/**
 * The failure of a step whose direction another writer has changed back; `when` is `before` where that happened just
 * before this run gave it.
 */
export function directionReverted(cluster: ClusterObject, wanted: string, when: 'after' | 'before' = 'after'): Failed {
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
