import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError, StandbyError } from '../../errors/standby-error.ts'
import { type Application, workloadRef } from './spec.ts'

/**
 * helm tells its failures in sentences alone. What the API server answers to a question of our own right afterwards,
 * and to a change that is only tried (admission webhooks are called for it), says whether the failure may be over in a
 * moment. The failure as it was where it may not.
 */
export async function asTransientFailure(
  failure: unknown,
  component: Application,
  site: SiteName,
  { kubernetes, signal }: DriverContext,
): Promise<unknown> {
  const reason = asStandbyError(failure)
  if (reason.code !== 'helm-failed' || signal.aborted) return failure
  const ref = workloadRef(component)
  try {
    const there = (await kubernetes(site).get(ref, { signal })) !== null
    const nothing = {
      apiVersion: ref.apiVersion,
      kind: ref.kind,
      metadata: { name: ref.name, namespace: ref.namespace ?? '' },
    }
    if (there) await kubernetes(site).apply(nothing, { dryRun: true, signal })
    return failure
  } catch (error) {
    const { retry, retryAfter, message } = asStandbyError(error)
    if (retry !== 'transient') return failure
    const what = `${reason.message} (${message})`
    const { code, mustAct, where, next } = reason
    return new StandbyError({ code, mustAct, what, where, next, cause: error, retry, retryAfter })
  }
}
