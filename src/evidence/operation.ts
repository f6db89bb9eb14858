import type { Verdict } from '../witness/journal.ts'

/** The operation that one process of a run was asked for. */
export type Operation = 'execute' | 'resume' | 'abort'

/**
 * The state in which it left the run. moved: all green on the new site. refused: nothing was changed. undone: begun and
 * taken back, the old site serves. stopped: begun and not finished; a person must look.
 */
export type MoveVerdict = Verdict | 'refused'
