import type { SiteName } from '../../domain/stack.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import type { Reach } from '../../driver/reach.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { performCall } from '../../systems/declared-call/perform.ts'
import type { DeclaredCall } from '../../systems/declared-call/spec.ts'
import type { JsonObject } from '../../values/json.ts'
import { type Asking, askServer, type Looked, lookAt } from './ask.ts'
import { codes } from './codes.ts'
import { type PostgresSpec, serverName, timeoutOf, valuesOf } from './spec.ts'

/** Which call this process has begun, and has no answer of. */
export interface Begun {
  readonly unanswered?: true
}
export type DatabaseRun<Parameters extends JsonObject, M = unknown> = StepRun<PostgresSpec, Parameters, M>

/** The run of one step, with the parameters and the memory that its caller does not care about. */
export type AnyRun = Pick<StepRun<PostgresSpec, JsonObject, never>, 'component' | 'context' | 'signal' | 'step'>

export const look = (run: AnyRun, site: SiteName, more: Partial<Asking> = {}): Promise<Looked> =>
  lookAt(run.component, site, { context: run.context, signal: run.signal, ...more })

/** The site of a step of this driver: each acts on one. */
export function siteOf({ site, step }: Pick<StepRun<PostgresSpec, JsonObject, never>, 'site' | 'step'>): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}

/** A site by its name in a step's parameters, which were planned for this stack. */
export function siteNamed({ context, step }: AnyRun, name: string): SiteName {
  const found = context.stack.sites.find((site) => site.name === name)
  if (found === undefined) throw new Error(`${step.id} names the site ${name}, which is not declared`)
  return found.name
}

/**
 * Performs a declared call about a site. It throws where no answer came: the effect may have happened. A refusal ends
 * the step, unless an earlier call of this process had no answer: what it began may be what refuses the second one, and
 * SQL tells.
 */
export async function perform(
  run: AnyRun & { readonly memory: { readonly value: Begun | undefined; set(value: Begun): void } },
  call: { readonly name: string; readonly declared: DeclaredCall },
  site: SiteName,
  { peer, reach = { site } }: { readonly peer: SiteName; readonly reach?: Reach },
): Promise<void> {
  const { component, context, signal } = run
  const began = run.memory.value?.unanswered === true
  const values = valuesOf(component, site, peer)
  const asking = { values, deadline: timeoutOf(component), reach, signal }
  run.memory.set({ ...run.memory.value, unanswered: true })
  const { succeeded, text } = await performCall(call.declared, asking, context)
  if (succeeded) {
    const { unanswered: _, ...rest } = run.memory.value ?? {}
    run.memory.set(rest)
    return
  }
  if (began) {
    context.log.warning(`${run.step.id}: ${call.name} was refused (${text}), after a call without an answer`)
    return
  }
  throw codes.error('declared-call-refused', `${call.name} of ${serverName(component, site)} was refused: ${text}`, {
    retry: 'never',
    where: `${component.name} ${call.name}`,
    next: `Correct the call ${call.name} in the stack file, or what refuses it; then resume the run.`,
  })
}

/**
 * A transaction that writes one message into the WAL and changes no table: null when it is committed, else why not. It
 * proves that the server takes writes, and that a synchronous standby answers where one is demanded.
 */
export async function whyNotWritable(run: AnyRun, site: SiteName): Promise<string | null> {
  try {
    const answer = await askServer(run.component, site, [WRITE], {
      context: run.context,
      signal: run.signal,
      writes: true,
    })
    return answer.is === 'rows' ? null : `${answer.text} (${answer.state})`
  } catch (error) {
    run.signal.throwIfAborted()
    return asStandbyError(error).message
  }
}
const WRITE = "SELECT pg_logical_emit_message(true, 'standby', 'is it writable?')"
