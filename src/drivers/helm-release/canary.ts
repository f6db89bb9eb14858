import type { KubernetesClient, PodReference } from '../../clients/kubernetes-client.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { answerIn, type CanaryResult, canaryRequest, judgeAnswer } from '../../systems/application/canary.ts'
import type { CanaryRequest } from '../../systems/application/profile.ts'
import { profileOf } from '../../systems/application/profiles.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { Application, Canary } from './spec.ts'
import { podsOf } from './workload.ts'

/** The application's answer about its canary, asked in one of its running pods. */
export async function tryCanary(
  component: Application,
  kubernetes: KubernetesClient,
  site: SiteName,
  context: DriverContext,
): Promise<CanaryResult> {
  const { canary, namespace, workload } = component.spec
  if (canary === undefined) return { outcome: 'not-declared', why: '' }
  const pod = await runningPod(component, kubernetes, context.signal)
  if (pod === null) return { outcome: 'silent', why: 'no pod runs' }
  return readCanary(canary, kubernetes, { namespace, name: pod, container: workload.container }, site, context)
}

export async function runningPod(
  component: Application,
  kubernetes: KubernetesClient,
  signal: AbortSignal,
): Promise<string | null> {
  const pods = await podsOf(kubernetes, component, signal)
  const running = (pods ?? []).filter(
    ({ status }) => (status as { readonly phase?: string } | undefined)?.phase === 'Running',
  )
  return (running.find(isReady) ?? running[0])?.metadata.name ?? null
}

/** The request to the application inside its own pod. Throws `credential-missing`. */
export const requestInPod = (canary: Canary, site: SiteName, context: DriverContext): Promise<CanaryRequest> =>
  canaryRequest(canary, `http://127.0.0.1:${canary.port}`, site, context)

/**
 * Logs in as the canary's machine identity and reads its secret, from inside the application's own pod: the API
 * server's proxy would swallow the Authorization header. Credentials go through stdin, and only a hash of the value
 * comes back; the image brings node, because the application is a node program.
 */
export async function readCanary(
  canary: Canary,
  kubernetes: KubernetesClient,
  pod: PodReference,
  site: SiteName,
  context: DriverContext,
  deadline: Milliseconds = seconds(15),
): Promise<CanaryResult> {
  const { expected, ...request } = await requestInPod(canary, site, context)
  const answer = await kubernetes.exec(pod, ['node', '-e', profileOf(canary).program], {
    stdin: JSON.stringify(request),
    deadline,
    signal: context.signal,
  })
  if (answer.code !== 0)
    return {
      outcome: 'silent',
      why: (answer.stderr || answer.stdout).trim().split('\n').at(-1) ?? `exit code ${answer.code}`,
    }
  const said = answerIn(answer.stdout)
  return said === null
    ? { outcome: 'silent', why: 'the pod answers with something else than was asked for' }
    : judgeAnswer(said, expected)
}
