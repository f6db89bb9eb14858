import { withinDeadline } from '../clients/within-deadline.ts'
import { siteError } from '../errors/standby-error.ts'
import type { LearnedDurations } from '../planning/expected-durations.ts'
import { seconds } from '../values/duration.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import type { EvidenceBody } from './evidence-body.ts'
import { newestBodies } from './keep-evidence.ts'
import { learnedDurations, NEWEST_RUNS, teaches } from './learned-durations.ts'

/** Records of refused runs lie between those that teach something; beyond so many rounds nobody looks. */
const ROUNDS = 3
/** Less than the 3 s of the observation that it runs beside: nobody waits for history. */
const PATIENCE = seconds(2)

/**
 * What the newest runs in the witness took. Never throws and never holds anybody up: from a witness that is silent,
 * slow or empty it is what was read of it until then, at worst nothing.
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
