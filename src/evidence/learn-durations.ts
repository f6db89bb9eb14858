import { withinDeadline } from '../clients/within-deadline.ts'
import { siteError } from '../errors/standby-error.ts'
import type { LearnedDurations } from '../planning/expected-durations.ts'
import { seconds } from '../values/duration.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import type { EvidenceBody } from './evidence-body.ts'
import { newestBodies } from './keep-evidence.ts'
import { learnedDurations, NEWEST_RUNS, teaches } from './learned-durations.ts'

/** Limits the search: records of refused runs, which teach nothing, lie between the others. */
const ROUNDS = 3
/** Less than the 3 s of the observation that runs in parallel, so that the history costs no time. */
const PATIENCE = seconds(2)

/**
 * The durations of the newest runs in the witness. Never throws and never delays the caller: from a silent, slow or
 * empty witness it returns what was read until then, possibly nothing.
 */
export async function learnFrom(store: ConditionalStore): Promise<LearnedDurations> {
  const read: EvidenceBody[] = []
  const reading = async (signal: AbortSignal): Promise<void> => {
    for (let round = 0; round < ROUNDS && read.filter(teaches).length < NEWEST_RUNS && !signal.aborted; round++)
      read.unshift(...(await newestBodies(store, NEWEST_RUNS, round * NEWEST_RUNS)))
  }
  const late = (): Error => siteError('witness-unreachable', 'the evidence was not read in time')
  await withinDeadline(PATIENCE, [], reading, late).catch(() => undefined)
  return learnedDurations(read)
}
