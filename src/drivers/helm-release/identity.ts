import type { KubernetesClient, PodReference } from '../../clients/kubernetes-client.ts'
import { minutes, seconds } from '../../duration.ts'
import type { Behaviour, DriverContext, Progress } from '../../planning/driver.ts'
import type { Intent, PlannedStep } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import type { Check, Sandbox } from '../../verification/restore-test.ts'
import { kubernetesOf, siteOf } from '../site-of-step.ts'
import { type Run, step } from './scale.ts'
import type { Application, Canary, HelmReleaseSpec } from './spec.ts'
import { podsOf } from './workload.ts'

/** What tells this instance from any other, and from an empty one that boots green. */
export interface InstanceIdentity {
  readonly instance: string
  readonly migrations: readonly string[]
}

export async function readIdentity(
  component: Application,
  at: SiteName | Sandbox,
  context: DriverContext,
): Promise<InstanceIdentity | null> {
  const { identity } = component.spec
  if (identity === undefined) return null
  const [instance, migrations] = await Promise.all([
    context.sql(identity.database, at, identity.query),
    identity.migrations === undefined ? [] : context.sql(identity.database, at, identity.migrations),
  ])
  return { instance: instance.map((row) => row.join(' ')).join(','), migrations: migrations.map((row) => row.join(' ')) }
}

/** Written down before the move, so that afterwards there is something to compare with; once the old site is lost, from its replica. */
export function rememberStep(component: Application, site: SiteName, intent: Intent): PlannedStep {
  return step(component, 'remember', site, {
    phase: 'PREFLIGHT',
    title: `Writes down which instance ${site} ${site === intent.from ? 'serves' : 'holds a replica of'}, and which migrations it has`,
    deadline: minutes(1),
    expected: seconds(0.5),
    parameters: {},
  })
}

export function identityStep(component: Application, intent: Intent, remembered: PlannedStep): PlannedStep {
  return step(component, 'identity', intent.to, {
    phase: 'SMOKE',
    title: `Asserts that ${intent.to} serves the same instance: identity and migrations equal${component.spec.canary === undefined ? '' : ', and its key decrypts the canary secret'}`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { remembered: remembered.id },
  })
}

export const remember: Behaviour<HelmReleaseSpec> = {
  async done(run) {
    const identity = await readIdentity(run.component, siteOf(run), run.context)
    if (identity !== null && identity.instance === '')
      return {
        is: 'failed',
        code: 'instance-without-identity',
        why: `the database behind ${run.component.spec.release} names no instance: it is empty`,
        next: 'Set the application up before it is moved.',
      }
    return { is: 'done', proof: identity === null ? {} : { ...identity } }
  },
}

export const identity: Behaviour<HelmReleaseSpec> = {
  async done(run): Promise<Progress> {
    const before = run.proofOf(String(run.step.parameters.remembered)) as unknown as InstanceIdentity | null
    const [now, canary] = await Promise.all([readIdentity(run.component, siteOf(run), run.context), canaryOf(run)])
    const wrong = identityProblem(before, now)
    if (wrong !== null)
      return {
        is: 'failed',
        code: 'another-instance',
        why: wrong,
        next: 'Keep the traffic closed and look at the database of the new site.',
      }
    if (canary.outcome === 'wrong')
      return {
        is: 'failed',
        code: 'canary-wrong',
        why: canary.why,
        next: 'Keep the traffic closed: the application serves data that its key does not open.',
      }
    if (canary.outcome === 'silent') return { is: 'pending', waitingFor: `the application to answer for its canary secret (${canary.why})` }
    return { is: 'done', proof: { instance: now?.instance ?? null, migrations: now?.migrations.length ?? 0, canary: canary.outcome } }
  },
}

/** null when both are the same instance. Pure. */
export function identityProblem(before: InstanceIdentity | null, now: InstanceIdentity | null): string | null {
  if (now === null) return null
  if (now.instance === '') return 'the database names no instance: it is empty'
  if (before?.instance !== undefined && before.instance !== now.instance)
    return `the database belongs to the instance ${now.instance}, before the move it was ${before.instance}`
  const missing = (before?.migrations ?? []).filter((migration) => !now.migrations.includes(migration))
  return missing.length === 0 ? null : `${missing.length} migrations are missing: ${missing.slice(0, 3).join(', ')}`
}

type CanaryResult =
  | { readonly outcome: 'decrypts' | 'not-declared'; readonly why: '' }
  | { readonly outcome: 'wrong' | 'silent'; readonly why: string }

async function canaryOf(run: Run): Promise<CanaryResult> {
  const { canary } = run.component.spec
  if (canary === undefined) return { outcome: 'not-declared', why: '' }
  const pods = await podsOf(kubernetesOf(run), run.component, run.signal)
  const pod = pods?.find((candidate) => (candidate.status as { phase?: string } | undefined)?.phase === 'Running')
  if (pod === undefined) return { outcome: 'silent', why: 'no pod runs' }
  const reference = { namespace: run.component.spec.namespace, name: pod.metadata.name, container: run.component.spec.workload.container }
  return readCanary(canary, kubernetesOf(run), reference, siteOf(run), run.context)
}

/**
 * Logs in as the canary's machine identity and reads its secret, from inside the application's own pod: the API server's proxy would
 * swallow the Authorization header. Credentials go through stdin, and only a hash of the value comes back; the image brings node,
 * because the application is a node program.
 */
export async function readCanary(
  canary: Canary,
  kubernetes: KubernetesClient,
  pod: PodReference,
  site: SiteName,
  context: DriverContext,
): Promise<CanaryResult> {
  const request = {
    base: `http://127.0.0.1:${canary.port}`,
    clientId: await context.credential(canary.credentials.clientId, site),
    clientSecret: await context.credential(canary.credentials.clientSecret, site),
    project: await context.credential(canary.project, site),
    environment: canary.environment,
    name: canary.name,
  }
  const expected = (await context.credential(canary.sha256, site)).trim().toLowerCase()
  const answer = await kubernetes.exec(pod, ['node', '-e', READ_CANARY], {
    stdin: JSON.stringify(request),
    deadline: 15_000,
    signal: context.signal,
  })
  if (answer.code !== 0)
    return { outcome: 'silent', why: (answer.stderr || answer.stdout).trim().split('\n').at(-1) ?? `exit code ${answer.code}` }
  const said = JSON.parse(answer.stdout) as { status: number; sha256?: string; step: string }
  if (said.sha256 === undefined)
    return said.status >= 500 && said.step === 'login'
      ? { outcome: 'silent', why: `${said.step} answers ${said.status}` }
      : { outcome: 'wrong', why: `${said.step} answers ${said.status}` }
  return said.sha256 === expected
    ? { outcome: 'decrypts', why: '' }
    : { outcome: 'wrong', why: 'the canary secret decrypts to another value than was written' }
}

const READ_CANARY = `
let text = ''
process.stdin.setEncoding('utf8')
process.stdin.on('data', (part) => { text += part; try { JSON.parse(text) } catch { return } go(JSON.parse(text)).then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1) }) })
async function go(ask) {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ clientId: ask.clientId, clientSecret: ask.clientSecret }), signal: AbortSignal.timeout(5000) }
  const login = await fetch(ask.base + '/api/v1/auth/universal-auth/login', post)
  if (!login.ok) return console.log(JSON.stringify({ step: 'login', status: login.status }))
  const { accessToken } = await login.json()
  const query = new URLSearchParams({ projectId: ask.project, environment: ask.environment, secretPath: '/' })
  const secret = await fetch(ask.base + '/api/v4/secrets/' + encodeURIComponent(ask.name) + '?' + query, { headers: { authorization: 'Bearer ' + accessToken }, signal: AbortSignal.timeout(5000) })
  if (!secret.ok) return console.log(JSON.stringify({ step: 'read', status: secret.status }))
  const sha256 = require('node:crypto').createHash('sha256').update((await secret.json()).secret.secretValue).digest('hex')
  console.log(JSON.stringify({ step: 'read', status: 200, sha256 }))
}
`

/** The result of a canary as a check of a restore test. Pure. */
export function canaryCheck(component: Application, result: CanaryResult): Check {
  const outcome = result.outcome === 'decrypts' ? 'pass' : result.outcome === 'silent' ? 'inconclusive' : 'fail'
  return {
    id: 'canary-decrypts',
    component: component.name,
    outcome,
    expected: "the canary secret, decrypted with the passive site's own key",
    found: result.why || result.outcome,
  }
}
