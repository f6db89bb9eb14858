import type { Observed } from '../../domain/observed.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { performCall } from '../../systems/declared-call/perform.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { type Routing, siteOf, timeoutOf } from './spec.ts'

export interface RoutingState {
  /** As it was read back. */
  readonly value: string
  /** The site that it stands for; `closed`: none, on purpose; null: it stands for nothing that is declared. */
  readonly serves: string | 'closed' | null
}

/** Less than an observation may take: a router that does not answer must not silence the rest. */
const OBSERVED_WITHIN: Milliseconds = seconds(2.5)

/** What users are sent to, read back; a text says why it is not known. */
export async function readBack(
  component: Routing,
  context: DriverContext,
  signal: AbortSignal,
  deadline: Milliseconds = timeoutOf(component),
): Promise<RoutingState | { readonly unknown: string }> {
  try {
    const asking = { values: {}, deadline, reach: 'outside-sites', signal } as const
    const { succeeded, value, text } = await performCall(component.spec.observe, asking, context)
    if (!succeeded) return { unknown: text }
    if (value === null || value === '') return { unknown: `${text}, and nothing in it says what users are sent to` }
    return { value, serves: siteOf(component, value) }
  } catch (error) {
    signal.throwIfAborted()
    return { unknown: asStandbyError(error).message }
  }
}

export async function observeRouting(component: Routing, context: DriverContext): Promise<Observed<RoutingState>> {
  const deadline = Math.min(timeoutOf(component), OBSERVED_WITHIN)
  const seen = await readBack(component, context, context.signal, deadline)
  if ('unknown' in seen) return { kind: 'silent', why: seen.unknown }
  return {
    kind: 'answering',
    state: seen,
    role: 'unknown',
    health: seen.serves === null ? 'degraded' : 'healthy',
    text: describe(seen),
    facts: [{ name: 'routing', value: seen.value, binds: 'exactly' }],
  }
}

/** `serves dc-a`, `serves no site`, `sends users to 192.0.2.77, which stands for no declared site`. */
export function describe({ value, serves }: RoutingState): string {
  if (serves === null) return `sends users to ${value}, which stands for no declared site`
  return serves === 'closed' ? 'serves no site' : `serves ${serves}`
}
