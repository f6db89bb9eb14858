import type { Intent } from '../../domain/plan.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import { type Action, type ByHand, type DriverStep, planStep, stepOf } from '../../driver/action.ts'
import type { Check, Seen, StepRun } from '../../driver/behaviour.ts'
import type { DeclaredCodes } from '../../driver/codes.ts'
import type { DriverContext } from '../../driver/context.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { type CanaryResult, canaryRequest } from './canary.ts'
import type { APPLICATION_CODES } from './codes.ts'
import type { ProvedSpec } from './declaration.ts'
import { type InstanceIdentity, identityProblem, readIdentity } from './identity.ts'

/** `remembered`: id of the step that recorded the identity before the move. */
export type Identity = { readonly remembered: string }
export type None = Record<string, never>

/** What differs between drivers whose application proves that it is the same instance as before. */
export interface ProvedApplication<Spec extends ProvedSpec> {
  readonly codes: DeclaredCodes<typeof APPLICATION_CODES>
  /** How its users call it: the release, the unit. */
  nameOf(component: Component<Spec>): string
  /** Reads the canary where the application serves; `silent` where nothing runs that could be asked. */
  tryCanary(component: Component<Spec>, site: SiteName, context: DriverContext): Promise<CanaryResult>
  /** While the proof of the new site is awaited. */
  readonly nudge?: Check<Spec, Identity, SameInstance>['nudge']
  readonly byHand: { readonly record: ByHand<Spec, None>; readonly compare: ByHand<Spec, Identity> }
}

export interface Recorded extends Proof, Partial<InstanceIdentity> {
  readonly canary: string
}
export interface SameInstance extends Proof {
  readonly instance: string | null
  readonly migrations: number
  readonly canary: string
}
export interface IdentityActions<Spec extends ProvedSpec> {
  readonly record: Action<Spec, None, Recorded>
  readonly compare: Action<Spec, Identity, SameInstance>
}

/** The two actions by which a move proves that the new site serves the same instance. */
export function identityActions<Spec extends ProvedSpec>(of: ProvedApplication<Spec>): IdentityActions<Spec> {
  return {
    record: {
      name: 'record-identity',
      parameters: parametersOf<None>({}),
      behaviour: recording(of),
      byHand: of.byHand.record,
    },
    compare: {
      name: 'identity',
      parameters: parametersOf<Identity>({ remembered: TEXT }),
      behaviour: comparing(of),
      byHand: of.byHand.compare,
    },
  }
}

/**
 * Records the identity before the move, to compare with afterwards. Where the old site is lost, it is read from the
 * replica of the new one.
 */
export const recordIdentityStep = <Spec extends ProvedSpec>(
  { record }: IdentityActions<Spec>,
  site: SiteName,
  intent: Intent,
): DriverStep<None> =>
  planStep(record, site, {
    phase: 'PREFLIGHT',
    title: `Writes down which instance ${site} ${site === intent.from ? 'serves' : 'holds a replica of'}, and which migrations it has`,
    deadline: minutes(1),
    expected: seconds(0.5),
    parameters: {},
  })

/** `recordedAt`: the site of the step that recorded it. */
export const identityStep = <Spec extends ProvedSpec>(
  { record, compare }: IdentityActions<Spec>,
  component: Component<Spec>,
  intent: Intent,
  recordedAt: SiteName,
): DriverStep<Identity> =>
  planStep(compare, intent.to, {
    phase: 'SMOKE',
    title: `Asserts that ${intent.to} serves the same instance: identity and migrations equal${component.spec.canary === undefined ? '' : ', and its key decrypts the canary secret'}`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { remembered: stepOf(component, record, recordedAt).id },
  })

const recording = <Spec extends ProvedSpec>(of: ProvedApplication<Spec>): Check<Spec, None, Recorded> => ({
  is: 'check',
  async done(run) {
    const identity = await readIdentity(run.component.spec.identity, siteOf(run), run.context)
    if (identity !== null && identity.instance === '')
      return {
        is: 'failed',
        code: of.codes.code['instance-without-identity'],
        why: `the database behind ${of.nameOf(run.component)} names no instance: it is empty`,
        next: 'Set the application up before it is moved.',
      }
    const canary = await canaryBefore(of, run)
    return typeof canary === 'string' ? { is: 'done', proof: { ...identity, canary } } : canary
  },
})

/**
 * Before anything is stopped: reads the canary on the site that serves, as it will be read on the new site. Of the new
 * site, whose application does not run yet, only the presence of the credentials can be checked.
 */
async function canaryBefore<Spec extends ProvedSpec>(
  of: ProvedApplication<Spec>,
  run: StepRun<Spec, None>,
): Promise<Seen<never, never> | string> {
  const { canary } = run.component.spec
  if (canary === undefined) return 'not-declared'
  const { intent } = run
  // For the site that will serve: its references may name a Secret of its own.
  await canaryRequest(canary, '', intent?.to ?? siteOf(run), run.context)
  if (intent?.mode !== 'switchover') return 'not-tried'
  const tried = await of.tryCanary(run.component, siteOf(run), { ...run.context, signal: run.signal })
  if (tried.outcome === 'decrypts') return 'decrypts'
  const name = of.nameOf(run.component)
  if (tried.outcome === 'wrong')
    return {
      is: 'failed',
      code: of.codes.code['canary-fails'],
      why: `the canary of ${name} fails on the site that serves: ${tried.why}`,
      next: 'Nothing was stopped. Renew its client secret, or its right to read the secret, and plan again.',
    }
  return { is: 'pending', waitingFor: `${name} to answer for its canary secret (${tried.why})` }
}

const comparing = <Spec extends ProvedSpec>(of: ProvedApplication<Spec>): Check<Spec, Identity, SameInstance> => ({
  is: 'check',
  async done(run) {
    const before = run.proofOf<Recorded>({ id: run.step.parameters.remembered })
    const [now, canary] = await Promise.all([
      readIdentity(run.component.spec.identity, siteOf(run), run.context),
      of.tryCanary(run.component, siteOf(run), { ...run.context, signal: run.signal }),
    ])
    const wrong = identityProblem(before, now)
    if (wrong !== null)
      return {
        is: 'failed',
        code: of.codes.code['another-instance'],
        why: wrong,
        next: 'Keep the traffic closed and look at the database of the new site.',
      }
    if (canary.outcome === 'wrong')
      return {
        is: 'failed',
        code: of.codes.code['canary-wrong'],
        why: canary.why,
        next: 'Keep the traffic closed: the application serves data that its key does not open.',
      }
    if (canary.outcome === 'silent')
      return { is: 'pending', waitingFor: `the application to answer for its canary secret (${canary.why})` }
    return {
      is: 'done',
      proof: { instance: now?.instance ?? null, migrations: now?.migrations.length ?? 0, canary: canary.outcome },
    }
  },
  ...(of.nudge === undefined ? {} : { nudge: of.nudge }),
})

/** Both steps belong to one site: a step without a site is a defect of its plan. */
function siteOf({ site, step }: { readonly site: SiteName | null; readonly step: { readonly id: string } }): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}
