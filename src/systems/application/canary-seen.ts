import { seenInTime } from '../../clients/seen-in-time.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { type CanaryResult, canaryRequest } from './canary.ts'
import { type DeclaredCanary, referencesOf } from './declaration.ts'

/** The canary of a site, as an observation sees it. */
export type CanarySeen =
  /**
   * `read`: the secret was read, and has the right value. `login`: its machine identity can log in; this process may
   * not try more.
   */
  | { readonly is: 'works'; readonly by: 'read' | 'login' }
  | { readonly is: 'fails'; readonly why: string }
  | { readonly is: 'unknown'; readonly why: string }
  /** Nothing runs here that could try it; its credentials are there. */
  | { readonly is: 'untried' }
  | { readonly is: 'without-credentials'; readonly why: string }

/**
 * Tries the canary of a site within a time, where the application is awake; where it is not, looks for its credentials
 * alone. Silence is a value, so that the application does not look silent because its canary is slow.
 */
export async function seeCanaryWithin(
  within: Milliseconds,
  { canary, site, awake }: { readonly canary: DeclaredCanary; readonly site: SiteName; readonly awake: boolean },
  tried: (context: DriverContext) => Promise<CanarySeen>,
  context: DriverContext,
): Promise<CanarySeen> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(within)])
  const bounded = { ...context, signal }
  const unknown = (why: string): CanarySeen => ({ is: 'unknown', why })
  const look = (): Promise<CanarySeen> => (awake ? tried(bounded) : credentialsOf(canary, site, bounded))
  return seenInTime(signal, look, () => unknown('it does not answer in time')).catch((error: unknown) =>
    unknown(asStandbyError(error).message),
  )
}

async function credentialsOf(canary: DeclaredCanary, site: SiteName, context: DriverContext): Promise<CanarySeen> {
  try {
    await canaryRequest(canary, '', site, context)
    return { is: 'untried' }
  } catch (error) {
    const { code, message } = asStandbyError(error)
    // The environment of this process shows nothing about the site; a missing Secret does.
    const ofSite = code === 'credential-missing' && referencesOf(canary).some((one) => 'secret' in one)
    return ofSite ? { is: 'without-credentials', why: message } : { is: 'untried' }
  }
}

/** What a read of the canary says, as an observation. Pure. */
export function seenByReading(read: CanaryResult): CanarySeen {
  if (read.outcome === 'wrong') return { is: 'fails', why: read.why }
  return read.outcome === 'decrypts' ? { is: 'works', by: 'read' } : { is: 'unknown', why: read.why }
}
