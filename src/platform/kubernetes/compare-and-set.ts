import { randomUUID } from 'node:crypto'
import type {
  CallOptions,
  KubernetesClient,
  KubernetesObject,
  ObjectReference,
} from '../../clients/kubernetes-client.ts'
import type { RestsOn } from '../../domain/progress.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'

/**
 * Changed by whoever takes a run over: its value says nothing, its change makes every version that was read before an
 * old one.
 */
export const TOUCHED = 'standby.dev/touched'

/**
 * What an effect on this object rests on. The version alone says that it is the same object too: a server gives none of
 * them twice (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
 */
export const asSeen = (object: KubernetesObject | null): RestsOn => ({
  resourceVersion: object?.metadata.resourceVersion ?? null,
})

/**
 * The options of a patch that only holds for what was seen; throws `kubernetes-not-found` where there was nothing to be
 * seen.
 */
export function onlyAsSeen<Spec>(run: StepRun<Spec>): CallOptions & { readonly resourceVersion: string } {
  const version = run.restsOn?.resourceVersion
  if (typeof version === 'string' && version !== '') return { resourceVersion: version, signal: run.signal }
  throw siteError('kubernetes-not-found', `${run.step.id}: there was nothing to change when it was looked for`, {
    where: run.step.site ?? run.step.component,
    next: 'Bring it back with `standby deploy`.',
  })
}

/**
 * Gives the object another version, and leaves it otherwise as it is; one that is not there can not be changed late
 * either.
 */
export async function touchObject(
  kubernetes: KubernetesClient,
  ref: ObjectReference,
  signal: AbortSignal,
): Promise<void> {
  try {
    await kubernetes.patch(ref, { metadata: { annotations: { [TOUCHED]: randomUUID() } } }, { signal })
  } catch (error) {
    if (asStandbyError(error).code !== 'kubernetes-not-found') throw error
  }
}
