import { randomUUID } from 'node:crypto'
import type {
  CallOptions,
  KubernetesClient,
  KubernetesObject,
  ObjectReference,
} from '../../clients/kubernetes-client.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'
import type { Json, JsonObject } from '../../values/json.ts'

/**
 * A process that takes a run over changes this annotation. Its value has no meaning; its change makes every version
 * that was read before an old one.
 */
export const TOUCHED = 'standby.dev/touched'

/** The precondition of an effect on one object; null: the object did not exist when it was read. */
export type AsSeen = { readonly resourceVersion: string | null }

/**
 * The precondition of an effect on this object. The version alone says that it is the same object too: a server gives
 * none of them twice (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
 */
export const asSeen = (object: KubernetesObject | null): AsSeen => ({
  resourceVersion: object?.metadata.resourceVersion ?? null,
})

/**
 * The options of a patch that the server refuses once the object has another version (`kubernetes-conflict`). Throws
 * `kubernetes-not-found` where the object did not exist when it was read.
 */
export function ifUnchanged(
  run: Pick<StepRun<unknown, JsonObject>, 'site' | 'signal'> & {
    readonly step: { readonly id: string }
    readonly component: { readonly name: string }
  },
  { resourceVersion }: { readonly resourceVersion?: Json },
): CallOptions & { readonly resourceVersion: string } {
  if (typeof resourceVersion === 'string' && resourceVersion !== '') return { resourceVersion, signal: run.signal }
  throw siteError('kubernetes-not-found', `${run.step.id}: there was nothing to change when it was looked for`, {
    where: run.site ?? run.component.name,
    next: 'Bring it back with `standby deploy`.',
  })
}

/**
 * Gives the object another version, and leaves it otherwise as it is. An object that does not exist needs none: a late
 * effect on it fails as well.
 */
export async function invalidateObject(
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
