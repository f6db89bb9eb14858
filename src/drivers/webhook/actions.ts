import type { Observed } from '../../domain/observed.ts'
import type { Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Check, Plain, Seen, StepRun } from '../../driver/behaviour.ts'
import type { Proof } from '../../driver/proofs.ts'
import { performCall } from '../../systems/declared-call/perform.ts'
import { readableDuration, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { describe, type RoutingState, readBack } from './observe.ts'
import type { CloseParameters, SiteParameters } from './parameters.ts'
import { byHandClose, byHandHold, byHandSwitch } from './runbook.ts'
import { type Routing, timeoutOf, ttlOf, valueFor, type WebhookSpec } from './spec.ts'

interface Routed extends Proof {
  readonly value: string
  readonly serves: string
  /** ISO 8601: when this was read back. */
  readonly at: string
}
interface Closed extends Routed {
  /** ISO 8601: from then on no user goes on with the former answer. */
  readonly expiredAt: string
}
/** When this process first read back closed doors, in milliseconds since 1970; null: they were open since. */
interface Waiting {
  readonly closedSince: number | null
}

const site = { type: 'string', minLength: 1 }

/** Users are kept out while the data moves: a write that is refused is better than one that is accepted and lost. */
const closing: Plain<WebhookSpec, CloseParameters, Closed, Waiting> = {
  is: 'plain',
  async done(run) {
    const seen = await readBack(run.component, run.context, run.signal)
    if ('unknown' in seen) return { is: 'unknown', why: `it is unknown what users are sent to: ${seen.unknown}` }
    const { value, serves } = seen
    if (serves !== 'closed') {
      run.memory.set({ closedSince: null })
      return { is: 'pending', waitingFor: `${run.component.name} to serve no site: it ${describe(seen)}` }
    }
    const now = run.context.clock.now().getTime()
    const before = run.proofOf<Closed>({ id: run.step.id })
    // A step that is on record waited before it was written down: only an open door that was seen since starts anew.
    if (run.memory.value === undefined && before !== null)
      return { is: 'done', proof: { ...before, at: new Date(now).toISOString() } }
    const closedSince = run.memory.value?.closedSince ?? now
    run.memory.set({ closedSince })
    const expiredAt = closedSince + ttlOf(run.component)
    if (now < expiredAt)
      return {
        is: 'pending',
        waitingFor: `users to forget the former answer, for ${readableDuration(expiredAt - now)} more`,
      }
    const at = new Date(now).toISOString()
    return { is: 'done', proof: { value, serves, at, expiredAt: new Date(expiredAt).toISOString() } }
  },
  apply: (run) => send(run, 'close', { value: run.component.spec.closed }),
  back: {
    async undo(run) {
      const { before } = run.step.parameters
      if (before !== 'closed') await openTo(run, before)
    },
    async undone(run) {
      const seen = await readBack(run.component, run.context, run.signal)
      if ('unknown' in seen) return { is: 'unknown', why: `it is unknown what users are sent to: ${seen.unknown}` }
      return seen.serves === run.step.parameters.before
        ? { is: 'done', proof: routed(seen, run) }
        : { is: 'pending', waitingFor: `${run.component.name} to serve ${run.step.parameters.before} again` }
    },
  },
}

export const close: Action<WebhookSpec, CloseParameters, Closed> = {
  name: 'close',
  parameters: { type: 'object', required: ['before'], additionalProperties: false, properties: { before: site } },
  behaviour: closing,
  byHand: byHandClose,
}

const opening: Plain<WebhookSpec, SiteParameters, Routed> = {
  is: 'plain',
  done: served,
  apply: (run) => openTo(run, run.step.parameters.site),
  back: { is: 'irreversible' },
}

export const switchTo: Action<WebhookSpec, SiteParameters, Routed> = {
  name: 'switch',
  parameters: { type: 'object', required: ['site'], additionalProperties: false, properties: { site } },
  behaviour: opening,
  byHand: byHandSwitch,
}

const holding: Check<WebhookSpec, SiteParameters, Routed> = { is: 'check', done: served }

export const hold: Action<WebhookSpec, SiteParameters, Routed> = {
  name: 'hold',
  parameters: switchTo.parameters,
  behaviour: holding,
  byHand: byHandHold,
}

async function served(run: StepRun<WebhookSpec, SiteParameters>): Promise<Seen<Routed, never>> {
  const seen = await readBack(run.component, run.context, run.signal)
  if ('unknown' in seen) return { is: 'unknown', why: `it is unknown what users are sent to: ${seen.unknown}` }
  return seen.serves === run.step.parameters.site
    ? { is: 'done', proof: routed(seen, run) }
    : { is: 'pending', waitingFor: `${run.component.name} to serve ${run.step.parameters.site}: it ${describe(seen)}` }
}

type AnyRun = Pick<StepRun<WebhookSpec, CloseParameters | SiteParameters, Waiting>, 'component' | 'context' | 'signal'>

const routed = ({ value, serves }: RoutingState, { context }: AnyRun): Routed => ({
  value,
  serves: serves ?? '',
  at: context.clock.now().toISOString(),
})

const openTo = (run: AnyRun, to: string): Promise<void> =>
  send(run, 'open', { site: to, value: valueFor(run.component, to) })

/** A refusal ends the step; of a call without an answer the value that is read back says what became of it. */
async function send(
  { component, context, signal }: AnyRun,
  which: 'open' | 'close',
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const asking = { values, deadline: timeoutOf(component), reach: 'outside-sites', signal } as const
  const { succeeded, text } = await performCall(component.spec[which], asking, context)
  if (!succeeded)
    throw codes.error('routing-refused', `${which} was refused: ${text}`, {
      retry: 'never',
      where: `${component.name} ${which}`,
      next: `Correct the call ${which} in the stack file, or what refuses it; then resume the run.`,
    })
}

const STEP = { expected: seconds(1) }

/** In a failover it is a step of no site: what routes stands outside of the lost one, and nothing waits for that. */
export const closeStep = (
  component: Routing,
  seen: Observed<RoutingState>,
  intent: Intent,
): DriverStep<CloseParameters> =>
  planStep(close, intent.mode === 'failover' ? null : intent.from, {
    ...STEP,
    phase: 'DRAIN',
    fence: 'traffic',
    deadline: 4 * timeoutOf(component) + ttlOf(component) + seconds(60),
    expected: seconds(1) + ttlOf(component),
    title: `Sends users to no site, and waits until none goes on with the former answer`,
    parameters: { before: servedBefore(seen, intent.from) },
  })

/** What could not be asked is taken to serve the site that the move leaves. */
const servedBefore = (seen: Observed<RoutingState>, otherwise: SiteName): string =>
  (seen.kind === 'answering' ? seen.state.serves : null) ?? otherwise

export const switchStep = (component: Routing, intent: Intent): DriverStep<SiteParameters> =>
  planStep(switchTo, intent.to, {
    ...STEP,
    phase: 'TRAFFIC',
    deadline: 4 * timeoutOf(component) + seconds(60),
    title: `Sends users to ${intent.to}, and reads it back`,
    parameters: { site: intent.to },
  })

/** A rejoin takes no user of the active site anywhere: it asserts that, before the lock is taken. */
export const holdStep = (component: Routing, intent: Intent): DriverStep<SiteParameters> =>
  planStep(hold, intent.from, {
    ...STEP,
    phase: 'PREFLIGHT',
    deadline: 2 * timeoutOf(component) + seconds(10),
    title: `Asserts that users are sent to ${intent.from}: none reaches ${intent.to} while it is built anew`,
    parameters: { site: intent.from },
  })
