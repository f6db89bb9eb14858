import { isAbsolute, join } from 'node:path'
import { maskSecrets, runProcess } from '../../../clients/process.ts'
import { type StandbyError, siteError } from '../../../errors/standby-error.ts'
import type { Unseen } from '../../../errors/unseen.ts'
import { type Milliseconds, minutes, readableDuration, seconds } from '../../../values/duration.ts'
import { isObject, type Json, type JsonObject } from '../../../values/json.ts'

/** What a credential program gave; one of token and certificate at least. */
export interface LoginCredential {
  readonly token: string | null
  readonly certificate: { readonly cert: string; readonly key: string } | null
  /** By our own clock; null: until the server refuses it. */
  readonly expires: number | null
}

/**
 * The login of one site by its kubeconfig's credential program, which is started once and not once for each request.
 */
export interface Login {
  /** What is valid now: the last one, or what the program gives. Throws `login-failed`. */
  credential(): Promise<LoginCredential>
  /** The server did not know this one; true when the next `credential` is another. */
  refused(credential: LoginCredential): boolean
}

export interface LoginProgram {
  readonly site: string
  /** The user's `exec` in the kubeconfig. */
  readonly exec: JsonObject
  /** The kubeconfig's cluster, for programs that ask for it (`provideClusterInfo`). */
  readonly cluster: JsonObject
  /** Where the kubeconfig lies; relative programs are found from there. */
  readonly directory: string | null
  /** Values that the program may log in with, beside the cloud variables of our own environment. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Hears what must never be seen. */
  readonly mask: (secret: string) => void
  readonly now?: () => number
}

/**
 * A login to a cloud crosses the world, and may ask an agent or a browser session that is long gone. Not a part of the
 * time that a site has to answer.
 */
export const LOGIN_DEADLINE: Milliseconds = seconds(15)
/** A credential is not used to its last second. */
const MARGIN: Milliseconds = seconds(30)
/** Neither a program that fails nor a server that refuses is asked in a loop. */
const FAILURE_HOLDS: Milliseconds = seconds(3)
const RENEWED_AT_MOST_EVERY: Milliseconds = seconds(30)
const LARGEST: number = 1024 * 1024

export function loginBy(program: LoginProgram): Login {
  const now = program.now ?? Date.now
  let current: LoginCredential | null = null
  let asked: Promise<LoginCredential> | null = null
  let failed: { readonly at: number; readonly error: unknown } | null = null
  let renewedAt = Number.NEGATIVE_INFINITY

  const begin = async (): Promise<LoginCredential> => {
    try {
      current = await credentialOf(program, now)
      failed = null
      return current
    } catch (error) {
      failed = { at: now(), error }
      throw error
    } finally {
      asked = null
    }
  }

  return {
    async credential() {
      if (current !== null && isFresh(current, now())) return current
      if (failed !== null && now() - failed.at < FAILURE_HOLDS) throw failed.error
      asked ??= begin()
      return asked
    },

    refused(credential) {
      if (current !== credential) return true
      if (now() - renewedAt < RENEWED_AT_MOST_EVERY) return false
      renewedAt = now()
      current = null
      return true
    },
  }
}

function isFresh({ expires }: LoginCredential, now: number): boolean {
  return expires === null || expires - now > 0
}

async function credentialOf(program: LoginProgram, now: () => number): Promise<LoginCredential> {
  const { exec } = program
  const command = typeof exec.command === 'string' ? exec.command : ''
  if (command === '') throw failure(program, 'login-missing', 'the exec of the kubeconfig names no command')
  const args = Array.isArray(exec.args) ? exec.args.map(String) : []
  const declared = Object.fromEntries(
    (Array.isArray(exec.env) ? exec.env : []).flatMap((entry: Json) =>
      isObject(entry) && typeof entry.name === 'string' ? [[entry.name, String(entry.value ?? '')] as const] : [],
    ),
  )
  const env = { ...program.environment, ...declared, KUBERNETES_EXEC_INFO: JSON.stringify(execInfo(program)) }
  const secrets = [...Object.values(program.environment), ...Object.values(declared)].filter(
    (value) => value !== undefined,
  )
  const result = await runProcess(located(command, program.directory), args, {
    deadline: LOGIN_DEADLINE,
    env,
    purpose: 'login',
    secrets,
    maxOutput: LARGEST,
  }).catch((thrown: unknown) => {
    const error = thrown as StandbyError
    if (error.code === 'process-not-found')
      throw failure(program, 'login-missing', `the credential program cannot be started: ${error.message}`, thrown)
    if (error.code === 'process-timeout')
      throw failure(
        program,
        'login-late',
        `the credential program ${command} did not end within ${readableDuration(LOGIN_DEADLINE)}`,
        thrown,
      )
    throw thrown
  })
  if (result.code !== 0) {
    const said = maskSecrets(result.stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? '', secrets)
    const install =
      result.code === 127 && typeof exec.installHint === 'string' ? ` (${exec.installHint.trim().split('\n')[0]})` : ''
    throw failure(
      program,
      'login-failed',
      `the credential program ${command} failed with exit code ${result.code}${said === '' ? '' : `: ${said}`}${install}`,
    )
  }
  const credential = credentialIn(result.stdout)
  if (typeof credential === 'string')
    throw failure(program, 'login-unreadable', `the credential program ${command} ${credential}`)
  if (credential.token !== null) program.mask(credential.token)
  if (credential.certificate !== null) program.mask(credential.certificate.key)
  if (!isFresh(credential, now()))
    throw failure(
      program,
      'login-unreadable',
      `the credential program ${command} gave a credential that expired at ${new Date(credential.expires ?? 0).toISOString()}; it is ${new Date(now()).toISOString()} here`,
    )
  return { ...credential, expires: withMargin(credential.expires, now()) }
}

/** Renewed a little before its end, where it lives long enough for that. */
const withMargin = (expires: number | null, now: number): number | null =>
  expires === null || expires - now < minutes(2) ? expires : expires - MARGIN

const failure = ({ site, exec }: LoginProgram, unseen: Unseen, what: string, cause?: unknown): StandbyError =>
  siteError('login-failed', what, {
    where: `sites.${site}.kubernetes.kubeconfig`,
    next: `Run ${String(exec.command ?? 'it')} by hand in this environment; it gets the cloud variables and the values of \`credentials\`, and nothing else.`,
    cause,
    unseen,
  })

/** As kubectl finds it: by the PATH, or from the folder of the kubeconfig. */
const located = (command: string, directory: string | null): string =>
  command.includes('/') && !isAbsolute(command) && directory !== null ? join(directory, command) : command

/** What kubectl passes to a credential program. This terminal is not interactive. */
function execInfo({ exec, cluster }: LoginProgram): object {
  const apiVersion = typeof exec.apiVersion === 'string' ? exec.apiVersion : 'client.authentication.k8s.io/v1'
  const spec = { interactive: false, ...(exec.provideClusterInfo === true ? { cluster } : {}) }
  return { apiVersion, kind: 'ExecCredential', spec }
}

/**
 * The credential in the output of a program, or what is wrong with it; never quotes the output, because it may contain
 * a part of a secret.
 */
function credentialIn(printed: string): LoginCredential | string {
  let value: unknown
  try {
    value = JSON.parse(printed)
  } catch {
    return printed.trim() === '' ? 'printed nothing' : `printed ${printed.length} characters that are no JSON`
  }
  if (!isObject(value) || value.kind !== 'ExecCredential') return 'printed JSON that is no ExecCredential'
  const status = isObject(value.status) ? value.status : {}
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status
  const certificate = typeof cert === 'string' && typeof key === 'string' && cert !== '' ? { cert, key } : null
  const bearer = typeof token === 'string' && token !== '' ? token : null
  if (bearer !== null && !/^[\x21-\x7e]+$/.test(bearer))
    return 'printed a token with characters that no header can hold'
  if (bearer === null && certificate === null) return 'printed an ExecCredential with neither token nor certificate'
  const expires = typeof expirationTimestamp === 'string' ? Date.parse(expirationTimestamp) : null
  if (expires !== null && Number.isNaN(expires)) return 'printed an expirationTimestamp that is no time'
  return { token: bearer, certificate, expires }
}
