import type { Intent } from '../../domain/plan.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../driver/action.ts'
import type { Check, Seen } from '../../driver/behaviour.ts'
import type { DriverContext } from '../../driver/context.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { minutes, seconds } from '../../values/duration.ts'
import { canaryRequest, tryCanary } from './canary.ts'
import { codes } from './codes.ts'
import type { Identity, None } from './parameters.ts'
import { identityByHand, recordIdentityByHand } from './runbook.ts'
import { setAgain } from './set-again.ts'
import type { Application, HelmReleaseSpec, ReleaseRun } from './spec.ts'

/** What distinguishes this instance from others, and from an empty one that also starts healthy. */
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
  return {
    instance: instance.map((row) => row.join(' ')).join(','),
    migrations: migrations.map((row) => row.join(' ')),
  }
}

/**
 * Records the identity before the move, to compare with afterwards. Where the old site is lost, it is read from the
 * replica of the new one.
 */
export const recordIdentityStep = (site: SiteName, intent: Intent): DriverStep<None> =>
  planStep(recordIdentity, site, {
    phase: 'PREFLIGHT',
    title: `Writes down which instance ${site} ${site === intent.from ? 'serves' : 'holds a replica of'}, and which migrations it has`,
    deadline: minutes(1),
    expected: seconds(0.5),
    parameters: {},
  })

/** `recordedAt`: the site of the step that recorded it. */
export const identityStep = (component: Application, intent: Intent, recordedAt: SiteName): DriverStep<Identity> =>
  planStep(identity, intent.to, {
    phase: 'SMOKE',
    title: `Asserts that ${intent.to} serves the same instance: identity and migrations equal${component.spec.canary === undefined ? '' : ', and its key decrypts the canary secret'}`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { remembered: stepOf(component, recordIdentity, recordedAt).id },
  })

interface Recorded extends Proof, Partial<InstanceIdentity> {
  readonly canary: string
}
interface SameInstance extends Proof {
  readonly instance: string | null
  readonly migrations: number
  readonly canary: string
}

const recording: Check<HelmReleaseSpec, None, Recorded> = {
  is: 'check',
  async done(run) {
    const identity = await readIdentity(run.component, siteOf(run), run.context)
    if (identity !== null && identity.instance === '')
      return {
        is: 'failed',
        code: codes.code['instance-without-identity'],
        why: `the database behind ${run.component.spec.release} names no instance: it is empty`,
        next: 'Set the application up before it is moved.',
      }
    const canary = await canaryBefore(run)
    return typeof canary === 'string' ? { is: 'done', proof: { ...identity, canary } } : canary
  },
}

export const recordIdentity: Action<HelmReleaseSpec, None, Recorded> = {
  name: 'record-identity',
  parameters: parametersOf<None>({}),
  behaviour: recording,
  byHand: recordIdentityByHand,
}

/**
 * Before anything is stopped: reads the canary on the site that serves, as it will be read on the new site. Of the new
 * site, whose application does not run yet, only the presence of the credentials can be checked.
 */
async function canaryBefore(run: ReleaseRun): Promise<Seen<never, never> | string> {
  const { canary, release } = run.component.spec
  if (canary === undefined) return 'not-declared'
  const { intent } = run
  // For the site that will serve: its references may name a Secret of its own.
  await canaryRequest(canary, intent?.to ?? siteOf(run), run.context)
  if (intent?.mode !== 'switchover') return 'not-tried'
  const tried = await tryCanary(run.component, kubernetesOf(run), siteOf(run), { ...run.context, signal: run.signal })
  if (tried.outcome === 'decrypts') return 'decrypts'
  if (tried.outcome === 'wrong')
    return {
      is: 'failed',
      code: codes.code['canary-fails'],
      why: `the canary of ${release} fails on the site that serves: ${tried.why}`,
      next: 'Nothing was stopped. Renew its client secret, or its right to read the secret, and plan again.',
    }
  return { is: 'pending', waitingFor: `${release} to answer for its canary secret (${tried.why})` }
}

const comparing: Check<HelmReleaseSpec, Identity, SameInstance> = {
  is: 'check',
  async done(run) {
    const before = run.proofOf<Recorded>({ id: run.step.parameters.remembered })
    const [now, canary] = await Promise.all([
      readIdentity(run.component, siteOf(run), run.context),
      tryCanary(run.component, kubernetesOf(run), siteOf(run), { ...run.context, signal: run.signal }),
    ])
    const wrong = identityProblem(before, now)
    if (wrong !== null)
      return {
        is: 'failed',
        code: codes.code['another-instance'],
        why: wrong,
        next: 'Keep the traffic closed and look at the database of the new site.',
      }
    if (canary.outcome === 'wrong')
      return {
        is: 'failed',
        code: codes.code['canary-wrong'],
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
  nudge: setAgain(() => 'active'),
}

export const identity: Action<HelmReleaseSpec, Identity, SameInstance> = {
  name: 'identity',
  parameters: parametersOf<Identity>({ remembered: TEXT }),
  behaviour: comparing,
  byHand: identityByHand,
}

/** null when both are the same instance. Pure. */
export function identityProblem(before: Partial<InstanceIdentity> | null, now: InstanceIdentity | null): string | null {
  if (now === null) return null
  if (now.instance === '') return 'the database names no instance: it is empty'
  if (before?.instance !== undefined && before.instance !== now.instance)
    return `the database belongs to the instance ${now.instance}, before the move it was ${before.instance}`
  const missing = (before?.migrations ?? []).filter((migration) => !now.migrations.includes(migration))
  return missing.length === 0 ? null : `${missing.length} migrations are missing: ${missing.slice(0, 3).join(', ')}`
}
