import { createHash } from 'node:crypto'
import type { SshResult } from '../../clients/ssh.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { quoted } from '../../driver/manual.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type CanaryResult, canaryRequest, judgeAnswer } from '../../systems/application/canary.ts'
import type { DeclaredCanary } from '../../systems/application/declaration.ts'
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
    const curl: Curl = (stdin) =>
      hostsOf(host, context).run(name, CURL.map(quoted).join(' '), {
        stdin,
        signal: context.signal,
        deadline: seconds(8),
      })
    const read = await readByCurl(canary, request, curl).catch((error: unknown): CanaryResult => {
      context.signal.throwIfAborted()
      return { outcome: 'silent', why: asStandbyError(error).message }
    })
    if (read.outcome !== 'silent') return read
    silent.push(`${name}: ${read.why}`)
  }
  return { outcome: 'silent', why: silent.join('; ') }
}

/** Runs curl with this configuration on its stdin. */
export type Curl = (configuration: string) => Promise<Pick<SshResult, 'code' | 'stdout' | 'stderr'>>

export const CURL = ['curl', '-sS', '--max-time', '5', '--write-out', '\\n%{http_code}', '--config', '-'] as const

/**
 * Logs in and reads the secret with curl. Credentials go through stdin, never through arguments. The value comes back
 * through ssh, and only its hash is kept.
 */
export async function readByCurl(canary: DeclaredCanary, request: CanaryRequest, curl: Curl): Promise<CanaryResult> {
  const profile = profileOf(canary)
  const login = await ask(request.base, profile.login(request), curl)
  if (typeof login === 'string') return { outcome: 'silent', why: login }
  if (!isGood(login.status)) return judgeAnswer({ step: 'login', status: login.status }, request.expected)
  const token = profile.tokenIn(login.body)
  if (token === null) return { outcome: 'silent', why: 'login answers without a token' }
  const secret = await ask(request.base, profile.secret(request, token), curl)
  if (typeof secret === 'string') return { outcome: 'silent', why: secret }
  if (!isGood(secret.status)) return judgeAnswer({ step: 'read', status: secret.status }, request.expected)
  const value = profile.valueIn(secret.body)
  if (value === null)
    return { outcome: 'silent', why: 'the application answers with something else than was asked for' }
  const sha256 = createHash('sha256').update(value).digest('hex')
  return judgeAnswer({ step: 'read', status: secret.status, sha256 }, request.expected)
}

const isGood = (status: number): boolean => status >= 200 && status < 300

/** One question; why there is no answer, as text. */
async function ask(
  base: string,
  { method, path, headers, body }: CanaryQuestion,
  curl: Curl,
): Promise<{ readonly status: number; readonly body: string } | string> {
  const settings = [
    ['url', `${base}${path}`],
    ['request', method],
    ...Object.entries(headers).map(([name, value]) => ['header', `${name}: ${value}`]),
    ...(body === undefined ? [] : [['data-raw', body]]),
  ]
  const answer = await curl(settings.map(([name, value = '']) => `${name} = "${escaped(value)}"\n`).join(''))
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
