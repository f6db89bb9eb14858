import { StandbyError } from '../errors/standby-error.ts'
import { type Milliseconds, minutes, seconds } from '../values/duration.ts'
import type { AccessKeys } from './access-keys.ts'
import type { LoginKeys } from './aws-login.ts'
import { withinDeadline } from './within-deadline.ts'

/** Keys are renewed so long before they end: a request that is under way must not outlive them. */
const BEFORE_THEIR_END: Milliseconds = minutes(5)
const DEADLINE: Milliseconds = seconds(15)

export interface LoginSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly mask: (secret: string) => void
  readonly now?: () => number
}

/**
 * The keys of the AWS login of this process, by the first login that its environment shows: the same while they last,
 * renewed before they end. Throws `credential-missing` where there is none, or where AWS refuses it. Nothing is asked
 * before the first call.
 */
export function awsLogin({ env, mask, now = Date.now }: LoginSurroundings): () => Promise<AccessKeys> {
  let held: LoginKeys | null = null
  let asking: Promise<LoginKeys> | null = null
  const lasts = ({ ends }: LoginKeys): boolean => ends === null || ends.getTime() - now() > BEFORE_THEIR_END
  const ask = async (): Promise<LoginKeys> => {
    const { name, keys } = await firstLogin(env)
    for (const secret of [keys.secretAccessKey, keys.sessionToken]) if (secret !== undefined) mask(secret)
    if (keys.ends !== null && keys.ends.getTime() <= now())
      throw noLogin(`the login of the ${name} has ended at ${keys.ends.toISOString()}`)
    return keys
  }
  return async () => {
    if (held !== null && lasts(held)) return held
    asking ??= ask().finally(() => {
      asking = null
    })
    try {
      held = await asking
      return held
    } catch (error) {
      // Keys that are valid for some minutes are used while no renewal succeeds.
      if (held?.ends != null && held.ends.getTime() > now()) return held
      throw error
    }
  }
}

async function firstLogin(env: LoginSurroundings['env']): Promise<{ readonly name: string; readonly keys: LoginKeys }> {
  // Loaded only where it is asked for: no other run pays for it.
  const { LOGINS } = await import('./aws-login.ts')
  for (const [name, login] of Object.entries(LOGINS)) {
    const asked = login(env)
    if (asked === null) continue
    try {
      const late = (): Error => new Error(`no answer within ${DEADLINE} ms`)
      return { name, keys: await withinDeadline(DEADLINE, [], () => asked, late) }
    } catch (error) {
      const code = (error as { readonly name?: string }).name ?? 'Error'
      throw noLogin(
        name === 'instance'
          ? 'the environment shows no AWS login, and no instance of AWS answers'
          : `the ${name} gives none (${code})`,
        error,
      )
    }
  }
  throw noLogin('the environment shows none')
}

const noLogin = (why: string, cause?: unknown): StandbyError =>
  new StandbyError({
    code: 'credential-missing',
    mustAct: 'input',
    what: `the stack file says login: aws, and there is no AWS login: ${why}`,
    where: 'the environment',
    next: 'On GitHub, log in with aws-actions/configure-aws-credentials in a step before; at a terminal: eval "$(aws configure export-credentials --format env)". Nothing was changed.',
    ...(cause === undefined ? {} : { cause }),
  })
