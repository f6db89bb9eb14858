import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError, StandbyError } from '../../errors/standby-error.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { type Application, workloadRef } from './spec.ts'

/**
 * A failure of helm, as transient where it may be over in a moment; unchanged where it may not. helm has no structure
 * for its failures, so its text is not read: the API server is asked right afterwards, with a question and with a dry
 * run of a change, for which it calls admission webhooks.
 */
export async function asTransientFailure(
  failure: unknown,
  component: Application,
  site: SiteName,
  { platform, signal }: DriverContext,
): Promise<unknown> {
  const reason = asStandbyError(failure)
  if (reason.code !== 'helm-failed' || signal.aborted) return failure
  const ref = workloadRef(component)
  const kubernetes = platform(KUBERNETES, site)
  try {
    const there = (await kubernetes.get(ref, { signal })) !== null
    const nothing = {
      apiVersion: ref.apiVersion,
      kind: ref.kind,
      metadata: { name: ref.name, namespace: ref.namespace ?? '' },
    }
    if (there) await kubernetes.apply(nothing, { dryRun: true, signal })
    return failure
  } catch (error) {
    const { retry, retryAfter, message } = asStandbyError(error)
    if (retry !== 'transient') return failure
    const what = `${reason.message} (${message})`
    const { code, mustAct, where, next } = reason
    return new StandbyError({ code, mustAct, what, where, next, cause: error, retry, retryAfter })
  }
}
