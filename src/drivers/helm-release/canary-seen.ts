import { overWay } from '../../clients/patience.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { isObject, type Json } from '../../values/json.ts'
import { type CanaryResult, canaryRequest, isTransient, LOGIN, readCanary, runningPod } from './canary.ts'
import type { Application, Canary } from './spec.ts'

/** The canary of a site, as an observation sees it. */
export type CanarySeen =
  /**
   * `read`: the secret was read, and has the right value. `login`: its machine identity can log in; this process may
   * not try more.
   */
  | { readonly is: 'works'; readonly by: 'read' | 'login' }
  | { readonly is: 'fails'; readonly why: string }
  | { readonly is: 'unknown'; readonly why: string }
  /** No pod runs here that could try it; its credentials are there. */
  | { readonly is: 'untried' }
  | { readonly is: 'without-credentials'; readonly why: string }

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
  const bounded = {
    ...context,
    signal: AbortSignal.any([
      context.signal,
      AbortSignal.timeout(overWay(context.platform(KUBERNETES, site).contact, TRIED_WITHIN)),
    ]),
  }
  try {
    return awake ? await tried(component, canary, site, bounded) : await credentialsOf(canary, site, bounded)
  } catch (error) {
    const reason = asStandbyError(error)
    const late = bounded.signal.aborted && !context.signal.aborted
    return { is: 'unknown', why: late ? 'it does not answer in time' : reason.message }
  }
}

async function credentialsOf(canary: Canary, site: SiteName, context: DriverContext): Promise<CanarySeen> {
  try {
    await canaryRequest(canary, site, context)
    return { is: 'untried' }
  } catch (error) {
    const { code, message } = asStandbyError(error)
    // The environment of this process shows nothing about the site; a missing Secret does.
    const ofSite = code === 'credential-missing' && inSecrets(canary)
    return ofSite ? { is: 'without-credentials', why: message } : { is: 'untried' }
  }
}
const inSecrets = ({ credentials, project, sha256 }: Canary): boolean =>
  [credentials.clientId, credentials.clientSecret, project, sha256].some((one) => 'secret' in one)

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
    async () => seenOf(await readCanary(canary, kubernetes, place, site, context, TRIED_WITHIN)),
    () => login(canary, namespace, pod, site, context),
  )
}

function seenOf(read: CanaryResult): CanarySeen {
  if (read.outcome === 'wrong') return { is: 'fails', why: read.why }
  return read.outcome === 'decrypts' ? { is: 'works', by: 'read' } : { is: 'unknown', why: read.why }
}

async function login(
  canary: Canary,
  namespace: string,
  pod: string,
  site: SiteName,
  context: DriverContext,
): Promise<CanarySeen> {
  const { clientId, clientSecret } = await canaryRequest(canary, site, context)
  const answer = await context
    .platform(KUBERNETES, site)
    .proxyPost(
      { namespace, pod, scheme: 'http', port: canary.port, path: LOGIN },
      { clientId, clientSecret },
      { signal: context.signal, deadline: TRIED_WITHIN },
    )
  if (answer.status >= 200 && answer.status < 300)
    return holdsToken(answer.body)
      ? { is: 'works', by: 'login' }
      : { is: 'unknown', why: 'login answers without a token' }
  const why = `login answers ${answer.status}`
  return isTransient(answer.status, 'login') ? { is: 'unknown', why } : { is: 'fails', why }
}

function holdsToken(body: string): boolean {
  try {
    const said = JSON.parse(body) as Json
    return isObject(said) && typeof said.accessToken === 'string'
  } catch {
    return false
  }
}
