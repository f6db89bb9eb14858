import { changesActiveSite, type Finding, type Intent } from '../domain/plan.ts'
import type { Stack } from '../domain/stack.ts'

/**
 * What it means that the witness is kept inside a declared site. Nothing of it concerns safety: there is one witness,
 * and who does not reach it changes nothing. It decides whether a loss can be answered at all: what takes that site
 * takes the witness. Pure; `activeSite` is what the witness itself says.
 */
export function witnessPlaceFindings(
  { witness: { site } }: Pick<Stack, 'witness'>,
  activeSite: string | null,
  intent: Intent | null,
): Finding[] {
  if (site === undefined) return []
  if (intent === null) return activeSite === site ? [besideActive(site)] : []
  if (!changesActiveSite(intent)) return []
  if (intent.to === site) return [atTarget(site, intent)]
  return intent.from === site ? [atSource(site, intent)] : []
}

const besideActive = (site: string): Finding => ({
  code: 'witness-beside-active',
  severity: 'warning',
  site,
  what: `the witness is kept inside ${site}, which is the active site: the loss of ${site} takes both, and no failover is possible then`,
  next: 'Plan a switchover to another site, or keep the witness elsewhere.',
})

/** The last site that is left may be this one: a failover is not kept from it. */
const atTarget = (site: string, { mode }: Intent): Finding => ({
  code: 'witness-at-target',
  severity: mode === 'switchover' ? 'blocker' : 'warning',
  site,
  what: `the witness is kept inside ${site}: after this move one loss takes the active site and the witness, and no failover is possible then`,
  next:
    mode === 'switchover'
      ? 'Move to another site, or keep the witness elsewhere.'
      : 'Move on to another site as soon as one is back.',
})

const atSource = (site: string, { mode }: Intent): Finding => ({
  code: 'witness-at-source',
  severity: 'warning',
  site,
  what:
    mode === 'failover'
      ? `the witness is kept inside ${site}, which this move takes for lost, and it answers: ${site} is lost in part at most. If the rest of it is lost amid the move, the run waits until the witness is back`
      : `the witness is kept inside ${site}, which this move leaves: if ${site} is lost amid the move, the run waits until the witness is back`,
  next: 'Nothing, if that is accepted.',
})
