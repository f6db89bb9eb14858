import { setTimeout as sleep } from 'node:timers/promises'
import { guardHasJudged } from './guard-has-judged.ts'
import type { OutageKind } from './outage.ts'
import { runLab } from './run-lab.ts'
import type { LabStack } from './stacks.ts'
import type { SiteName } from './topology.ts'

/**
 * Processes that are gone refuse; a cut link loses every packet; a frozen site takes connections, and never answers; an
 * unavailable one answers 503.
 */
export const LOSSES = ['kill', 'cut', 'freeze', 'unavailable'] as const satisfies readonly OutageKind[]
export type Loss = (typeof LOSSES)[number]

/**
 * Load balancers and the replica notice a loss some seconds later; until then they say that the site lives, and a
 * failover is not planned.
 */
const NOTICED_AFTER = 12_000

/**
 * Hands out the credentials of all that follows a loss: the lost site could not issue any. A second call finds them
 * handed out.
 */
export async function handOutCredentials(stack: LabStack): Promise<void> {
  for (const identity of ['observer', 'mover'] as const) await stack.environmentOf(identity)
}

/** Takes a site away, and returns when the others have noticed. */
export async function loseSite(stack: LabStack, site: SiteName, how: Loss): Promise<void> {
  await handOutCredentials(stack)
  await runLab('outage', site, '--how', how)
  await sleep(NOTICED_AFTER)
}

/** A killed site boots meanwhile; and a fence that its database heard too early takes the guard another 20 s. */
const SHUT_WITHIN = 90_000

/** Gives a lost site back, waits until its guard has judged it, and says when it was back (milliseconds since 1970). */
export async function returnSite(stack: LabStack, site: SiteName): Promise<number> {
  const begun = Date.now()
  await runLab('heal', site)
  const back = Date.now()
  await guardHasJudged(stack, site, begun, { deadline: SHUT_WITHIN, holdsNothing: false })
  return back
}
