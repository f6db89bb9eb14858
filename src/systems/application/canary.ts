import type { Check } from '../../domain/restore-test.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { type DeclaredCanary, referencesOf } from './declaration.ts'
import type { CanaryAnswer, CanaryRequest } from './profile.ts'

export type CanaryResult =
  | { readonly outcome: 'decrypts' | 'not-declared'; readonly why: '' }
  | { readonly outcome: 'wrong' | 'silent'; readonly why: string }

/** The request, with the credentials of the site. Throws `credential-missing`. */
export async function canaryRequest(
  canary: DeclaredCanary,
  base: string,
  site: SiteName,
  context: DriverContext,
): Promise<CanaryRequest> {
  const [clientId = '', clientSecret = '', project = '', expected = ''] = await Promise.all(
    referencesOf(canary).map((one) => context.credential(one, site)),
  )
  return {
    base,
    clientId,
    clientSecret,
    project,
    environment: canary.environment,
    name: canary.name,
    expected: expected.trim().toLowerCase(),
  }
}

/** What an answer says about the canary. Pure. */
export function judgeAnswer(said: CanaryAnswer, expected: string): CanaryResult {
  if (said.sha256 === undefined)
    return {
      outcome: isTransient(said.status, said.step) ? 'silent' : 'wrong',
      why: `${said.step} answers ${said.status}`,
    }
  return said.sha256 === expected
    ? { outcome: 'decrypts', why: '' }
    : { outcome: 'wrong', why: 'the canary secret decrypts to another value than was written' }
}

/** An answer as a program prints it; null where it is none. Pure. */
export function answerIn(text: string): CanaryAnswer | null {
  try {
    const said = JSON.parse(text) as CanaryAnswer
    return typeof said.status === 'number' && (said.step === 'login' || said.step === 'read') ? said : null
  } catch {
    return null
  }
}

/** Too many requests, or an application that is still starting. A read that fails with a 5xx means a wrong key. */
export const isTransient = (status: number, step: 'login' | 'read'): boolean =>
  status === 429 || (status >= 500 && step === 'login')

const OUTCOMES: Readonly<Record<CanaryResult['outcome'], Check['outcome']>> = {
  decrypts: 'pass',
  silent: 'inconclusive',
  wrong: 'fail',
  'not-declared': 'fail',
}

/** The result of a canary as a check of a restore test. Pure. */
export const canaryCheck = (component: Pick<Component, 'name'>, result: CanaryResult): Check => ({
  id: 'canary-decrypts',
  component: component.name,
  outcome: OUTCOMES[result.outcome],
  expected: "the canary secret, decrypted with the passive site's own key",
  found: result.why || result.outcome,
})
