import { overWay } from '../../clients/patience.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import { isTransient } from '../../systems/application/canary.ts'
import { type CanarySeen, seeCanaryWithin, seenByReading } from '../../systems/application/canary-seen.ts'
import { profileOf } from '../../systems/application/profiles.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import { readCanary, requestInPod, runningPod } from './canary.ts'
import type { Application, Canary } from './spec.ts'

/** Shorter than an observation may take: the application does not look silent because its canary is slow. */
const TRIED_WITHIN: Milliseconds = seconds(2)

/**
 * Tries the canary where the application serves, as a move will in the end: a login, and the read of one secret. An
 * identity that may not run a program in a pod logs in through the API server. That server does not pass on the
 * Authorization header, so the secret itself stays unread. null without a canary.
 */
export async function seeCanary(
  component: Application,
  site: SiteName,
  awake: boolean,
  context: DriverContext,
): Promise<CanarySeen | null> {
  const { canary } = component.spec
  if (canary === undefined) return null
  return seeCanaryWithin(
    overWay(context.platform(KUBERNETES, site).contact, TRIED_WITHIN),
    { canary, site, awake },
    (bounded) => tried(component, canary, site, bounded),
    context,
  )
}

async function tried(
  component: Application,
  canary: Canary,
  site: SiteName,
  context: DriverContext,
): Promise<CanarySeen> {
  const kubernetes = context.platform(KUBERNETES, site)
  const { namespace, workload } = component.spec
  const pod = await runningPod(component, kubernetes, context.signal)
  if (pod === null) return { is: 'unknown', why: 'no pod runs' }
  const place = { namespace, name: pod, container: workload.container }
  return unlessForbidden<CanarySeen, CanarySeen>(
    async () => seenByReading(await readCanary(canary, kubernetes, place, site, context, TRIED_WITHIN)),
    () => login(canary, namespace, pod, site, context),
  )
}

async function login(
  canary: Canary,
  namespace: string,
  pod: string,
  site: SiteName,
  context: DriverContext,
): Promise<CanarySeen> {
  const { login, tokenIn } = profileOf(canary)
  const { path, body } = login(await requestInPod(canary, site, context))
  const answer = await context
    .platform(KUBERNETES, site)
    .proxyPost(
      { namespace, pod, scheme: 'http', port: canary.port, path },
      body === undefined ? {} : (JSON.parse(body) as JsonObject),
      { signal: context.signal, deadline: TRIED_WITHIN },
    )
  if (answer.status >= 200 && answer.status < 300)
    return tokenIn(answer.body) === null
      ? { is: 'unknown', why: 'login answers without a token' }
      : { is: 'works', by: 'login' }
  const why = `login answers ${answer.status}`
  return isTransient(answer.status, 'login') ? { is: 'unknown', why } : { is: 'fails', why }
}
