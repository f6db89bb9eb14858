import type { Intent } from '../../domain/plan.ts'
import type { Varies } from '../../driver/varying.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { canonicalJson, isObject } from '../../values/json.ts'
import type { Instance, SeenTraffic } from './load-balancers.ts'

/**
 * An instance that was silent when the plan was made is asked once more; one that answered gets time for a restart, and
 * no more.
 */
const IF_SILENT: Milliseconds = seconds(1)
const IF_ANSWERING: Milliseconds = seconds(5)

/** For how long each instance of the lost site is tried, in milliseconds by name. A parameter of steps. */
export type MayBeLost = { readonly [name: string]: Milliseconds }

/** The instances that are lost with the site of a failover; nothing where none stands there. Pure. */
export function lostWith(
  instances: readonly Instance[],
  { mode, from }: Intent,
  seen: SeenTraffic,
): { readonly mayBeLost?: MayBeLost } {
  const there = instances.filter(({ site }) => site === from)
  if (mode !== 'failover' || there.length === 0) return {}
  const answered = (name: string): boolean =>
    seen.kind === 'answering' && seen.state.instances[name]?.kind === 'answering'
  return { mayBeLost: Object.fromEntries(there.map(({ name }) => [name, answered(name) ? IF_ANSWERING : IF_SILENT])) }
}

/** An instance of the lost site comes and goes while people decide: each is tried for the one time or for the other. */
export const patienceVaries: Varies = (planned, now) =>
  isObject(planned) &&
  isObject(now) &&
  canonicalJson(Object.keys(planned).sort()) === canonicalJson(Object.keys(now).sort()) &&
  Object.values(planned).every((patience) => patience === IF_SILENT || patience === IF_ANSWERING)

/** What to do about an instance that cannot be asked. */
export function waysOut(intent: Intent | null): string {
  const lost =
    intent?.mode === 'failover' ? `if it stands in ${intent.from}, declare \`site: ${intent.from}\` for it; or ` : ''
  return `Restore it; ${lost === '' ? 'or ' : lost}take it out of service and out of instances; then make a new plan.`
}
