/** The names of objects in the witness. A name from outside never leads out of its folder. */

const NAME = /^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$/

/**
 * Whether this can be the name of a run or the nonce of a plan: letters, digits, `.`, `_` and `-`, at most 128,
 * beginning with a letter or digit.
 */
export const isName = (text: string): boolean => NAME.test(text)

export const ACTIVE = 'active.json'
export const LOCK = 'lock.json'
export const RUNS = 'runs/'
export const planKey = (run: string): string => `${RUNS}${named(run)}/plan.json`
export const approvalKey = (run: string): string => `${RUNS}${named(run)}/approval.json`
export const journalFolder = (run: string): string => `${RUNS}${named(run)}/journal/`
/** Of a deploy: written by the deployer, who writes nothing below `runs/`. */
export const deployJournalFolder = (run: string): string => `deploys/${named(run)}/journal/`
export const nonceKey = (nonce: string): string => `nonces/${named(nonce)}.json`

/** A caller checks a name from outside with {@link isName} first, so a bad name here is a defect of Standby. */
function named(text: string): string {
  if (isName(text)) return text
  throw new Error(`${JSON.stringify(text.slice(0, 60))} is no name of an object in the witness`)
}
