import type { KubernetesClient, PodReference } from '../../clients/kubernetes-client.ts'
import type { Check } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { Application, Canary } from './spec.ts'
import { podsOf } from './workload.ts'

export type CanaryResult =
  | { readonly outcome: 'decrypts' | 'not-declared'; readonly why: '' }
  | { readonly outcome: 'wrong' | 'silent'; readonly why: string }

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

export interface CanaryRequest {
  readonly base: string
  readonly clientId: string
  readonly clientSecret: string
  readonly project: string
  readonly environment: string
  readonly name: string
  /** SHA-256 of its value, in lower case. */
  readonly expected: string
}

/** The request, with the credentials of the site. Throws `credential-missing`. */
export async function canaryRequest(canary: Canary, site: SiteName, context: DriverContext): Promise<CanaryRequest> {
  const [clientId, clientSecret, project, expected] = await Promise.all(
    [canary.credentials.clientId, canary.credentials.clientSecret, canary.project, canary.sha256].map((one) =>
      context.credential(one, site),
    ),
  )
  return {
    base: `http://127.0.0.1:${canary.port}`,
    clientId: clientId ?? '',
    clientSecret: clientSecret ?? '',
    project: project ?? '',
    environment: canary.environment,
    name: canary.name,
    expected: (expected ?? '').trim().toLowerCase(),
  }
}

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
  const { expected, ...request } = await canaryRequest(canary, site, context)
  const answer = await kubernetes.exec(pod, ['node', '-e', READ_CANARY], {
    stdin: JSON.stringify(request),
    deadline,
    signal: context.signal,
  })
  if (answer.code !== 0)
    return {
      outcome: 'silent',
      why: (answer.stderr || answer.stdout).trim().split('\n').at(-1) ?? `exit code ${answer.code}`,
    }
  const said = saidBy(answer.stdout)
  if (said === null) return { outcome: 'silent', why: 'the pod answers with something else than was asked for' }
  if (said.sha256 === undefined)
    return {
      outcome: isTransient(said.status, said.step) ? 'silent' : 'wrong',
      why: `${said.step} answers ${said.status}`,
    }
  return said.sha256 === expected
    ? { outcome: 'decrypts', why: '' }
    : { outcome: 'wrong', why: 'the canary secret decrypts to another value than was written' }
}

interface Said {
  readonly status: number
  readonly sha256?: string
  readonly step: 'login' | 'read'
}
function saidBy(text: string): Said | null {
  try {
    const said = JSON.parse(text) as Said
    return typeof said.status === 'number' && (said.step === 'login' || said.step === 'read') ? said : null
  } catch {
    return null
  }
}

/** Too many requests, or an application that is still starting. A read that fails with a 5xx means a wrong key. */
export const isTransient = (status: number, step: 'login' | 'read'): boolean =>
  status === 429 || (status >= 500 && step === 'login')

export const LOGIN = '/api/v1/auth/universal-auth/login'

const READ_CANARY = `
let text = ''
process.stdin.setEncoding('utf8')
process.stdin.on('data', (part) => { text += part; try { JSON.parse(text) } catch { return } go(JSON.parse(text)).then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1) }) })
async function go(ask) {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ clientId: ask.clientId, clientSecret: ask.clientSecret }), signal: AbortSignal.timeout(5000) }
  const login = await fetch(ask.base + '${LOGIN}', post)
  if (!login.ok) return console.log(JSON.stringify({ step: 'login', status: login.status }))
  const { accessToken } = await login.json()
  const query = new URLSearchParams({ projectId: ask.project, environment: ask.environment, secretPath: '/' })
  const secret = await fetch(ask.base + '/api/v4/secrets/' + encodeURIComponent(ask.name) + '?' + query, { headers: { authorization: 'Bearer ' + accessToken }, signal: AbortSignal.timeout(5000) })
  if (!secret.ok) return console.log(JSON.stringify({ step: 'read', status: secret.status }))
  const sha256 = require('node:crypto').createHash('sha256').update((await secret.json()).secret.secretValue).digest('hex')
  console.log(JSON.stringify({ step: 'read', status: 200, sha256 }))
}
`

const OUTCOMES: Readonly<Record<CanaryResult['outcome'], Check['outcome']>> = {
  decrypts: 'pass',
  silent: 'inconclusive',
  wrong: 'fail',
  'not-declared': 'fail',
}

/** The result of a canary as a check of a restore test. Pure. */
export function canaryCheck(component: Application, result: CanaryResult): Check {
  return {
    id: 'canary-decrypts',
    component: component.name,
    outcome: OUTCOMES[result.outcome],
    expected: "the canary secret, decrypted with the passive site's own key",
    found: result.why || result.outcome,
  }
}
