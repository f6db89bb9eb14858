import { createHash } from 'node:crypto'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type CanaryResult, canaryRequest, judgeAnswer } from '../../systems/application/canary.ts'
import type { CanaryQuestion, CanaryRequest } from '../../systems/application/profile.ts'
import { profileOf } from '../../systems/application/profiles.ts'
import { seconds } from '../../values/duration.ts'
import { addressOfHost, type Host, hostsOf } from './host.ts'
import { type Application, addressOn, unitsAt } from './spec.ts'

/** The application's answer about its canary, from the first host of the site on which it gives one. */
export async function tryCanary(component: Application, site: SiteName, context: DriverContext): Promise<CanaryResult> {
  const { canary } = component.spec
  if (canary === undefined) return { outcome: 'not-declared', why: '' }
  const silent: string[] = []
  for (const [name, units] of unitsAt(component, site)) {
    const host: Host = { site, name, units }
    const base = addressOn(component, addressOfHost(host, context)) ?? ''
    const request = await canaryRequest(canary, base, site, context)
    const read = await readOn(component, host, request, context).catch((error: unknown): CanaryResult => {
      context.signal.throwIfAborted()
      return { outcome: 'silent', why: asStandbyError(error).message }
    })
    if (read.outcome !== 'silent') return read
    silent.push(`${name}: ${read.why}`)
  }
  return { outcome: 'silent', why: silent.join('; ') }
}

/**
 * Logs in and reads the secret with curl on the host itself. Credentials go through stdin, never through arguments. The
 * value comes back through ssh, and only its hash is kept.
 */
async function readOn(
  component: Application,
  host: Host,
  request: CanaryRequest,
  context: DriverContext,
): Promise<CanaryResult> {
  const { canary } = component.spec
  if (canary === undefined) return { outcome: 'not-declared', why: '' }
  const profile = profileOf(canary)
  const login = await ask(host, request.base, profile.login(request), context)
  if (typeof login === 'string') return { outcome: 'silent', why: login }
  if (!isGood(login.status)) return judgeAnswer({ step: 'login', status: login.status }, request.expected)
  const token = profile.tokenIn(login.body)
  if (token === null) return { outcome: 'silent', why: 'login answers without a token' }
  const secret = await ask(host, request.base, profile.secret(request, token), context)
  if (typeof secret === 'string') return { outcome: 'silent', why: secret }
  if (!isGood(secret.status)) return judgeAnswer({ step: 'read', status: secret.status }, request.expected)
  const value = profile.valueIn(secret.body)
  if (value === null)
    return { outcome: 'silent', why: 'the application answers with something else than was asked for' }
  const sha256 = createHash('sha256').update(value).digest('hex')
  return judgeAnswer({ step: 'read', status: secret.status, sha256 }, request.expected)
}

const isGood = (status: number): boolean => status >= 200 && status < 300

/** One question by curl on a host; why there is no answer, as text. */
async function ask(
  host: Host,
  base: string,
  { method, path, headers, body }: CanaryQuestion,
  context: DriverContext,
): Promise<{ readonly status: number; readonly body: string } | string> {
  const settings = [
    ['url', `${base}${path}`],
    ['request', method],
    ...Object.entries(headers).map(([name, value]) => ['header', `${name}: ${value}`]),
    ...(body === undefined ? [] : [['data-raw', body]]),
  ]
  const stdin = settings.map(([name, value = '']) => `${name} = "${escaped(value)}"\n`).join('')
  const command = "curl -sS --max-time 5 --write-out '\\n%{http_code}' --config -"
  const answer = await hostsOf(host, context).run(host.name, command, {
    stdin,
    signal: context.signal,
    deadline: seconds(8),
  })
  if (answer.code !== 0) return answer.stderr.trim().split('\n').at(-1) || `curl ends with ${answer.code}`
  const end = answer.stdout.lastIndexOf('\n')
  return { status: Number(answer.stdout.slice(end + 1)), body: answer.stdout.slice(0, end) }
}

/** As curl reads a configuration (curl(1), --config): within quotes, these are written with a backslash. */
const escaped = (value: string): string =>
  value
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
