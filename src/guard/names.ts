/** The names that the program of a guard and its deploy share. */

/** In a cluster: its Deployment, its ServiceAccount, and the ConfigMap with its report. */
export const GUARD = 'standby-guard'

/** The variables in which the guard finds its own, read-only keys of the witness. */
export const WITNESS_ACCESS_KEY_ID = 'STANDBY_GUARD_ACCESS_KEY_ID'
export const WITNESS_SECRET_ACCESS_KEY = 'STANDBY_GUARD_SECRET_ACCESS_KEY'
/**
 * The file next to the stack file with the certificate authorities of the witness, where the stack file names some.
 */
export const WITNESS_AUTHORITIES = 'witness-authorities.pem'
/** The variable with the hash of what was deployed; the guard's report repeats it. */
export const CONFIGURATION = 'STANDBY_GUARD_CONFIGURATION'
