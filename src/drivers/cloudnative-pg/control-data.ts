import type { KubernetesClient, PodReference } from '../../clients/kubernetes-client.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { Log } from '../../runtime/log.ts'
import { type ControlData, parseControlData } from '../../systems/postgres/control-data.ts'

/**
 * The control file of a PostgreSQL that runs or is stopped. Null where this identity may run no program in the pod: a
 * fence holds all the same, and the end of the WAL is unknown.
 */
export async function readControlData(
  kubernetes: KubernetesClient,
  pod: PodReference,
  { signal, context }: { readonly signal: AbortSignal; readonly context: { readonly log: Log } },
): Promise<ControlData | null> {
  try {
    const answer = await kubernetes.exec(pod, ['pg_controldata'], { signal })
    return answer.code === 0 ? parseControlData(answer.stdout) : null
  } catch (error) {
    signal.throwIfAborted()
    context.log.debug(`${kubernetes.site}: pg_controldata of ${pod.name}: ${asStandbyError(error).message}`)
    return null
  }
}
