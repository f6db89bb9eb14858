import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { codes } from './codes.ts'
import type { Cache } from './spec.ts'

/**
 * Why no server could be started with a password, or no client could send it; null: it is usable. The answer never
 * holds a part of it. Pure.
 */
export function passwordProblem(password: string): string | null {
  if (password === '') return 'is empty: the server would let every client in'
  if (/[\r\n]$/.test(password))
    return 'ends with a line break: a file was made with one, and the server and its clients would disagree about it'
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\u0000-\u001F\u007F]/.test(password)
    ? 'holds a control character, which no configuration of Redis can carry'
    : null
}

/**
 * Throws `cache-password-unusable` before anything is declared. A Secret that is missing is reported by the pod that
 * waits for it.
 */
export async function assertUsablePassword(
  component: Cache,
  site: SiteName,
  context: DriverContext,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, password } = component.spec
  const ref = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespace, name: password.secret }
  const secret = await context.platform(KUBERNETES, site).get(ref, { signal })
  const encoded = (secret?.data as Readonly<Record<string, string>> | undefined)?.[password.key]
  const problem = encoded === undefined ? null : passwordProblem(Buffer.from(encoded, 'base64').toString('utf8'))
  if (problem === null) return
  throw codes.error('cache-password-unusable', `the password of ${component.spec.name} on ${site} ${problem}`, {
    retry: 'never',
    mustAct: 'input',
    where: `${site} ${namespace}/Secret/${password.secret} ${password.key}`,
    next: `Write it anew, on every site: kubectl -n ${namespace} create secret generic ${password.secret} --from-literal=${password.key}="$PASSWORD" --dry-run=client -o yaml | kubectl apply -f -`,
  })
}
