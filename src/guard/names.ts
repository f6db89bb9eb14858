/** The names that the program of a guard and its deploy share. */

/** In a cluster: its Deployment, its ServiceAccount, and the ConfigMap with its report. */
export const GUARD = 'standby-guard'

/** On a machine: the folder of what its guard knows and says, gone with a boot; and that of its files. */
export const runFolder = (stack: string): string => `/run/${GUARD}-${stack}`
export const fileFolder = (stack: string): string => `/opt/${GUARD}-${stack}`
export const reportFile = (stack: string): string => `${runFolder(stack)}/report.json`
/** The unit of the guard on a machine, and the one that each guarded unit requires, by its instance. */
export const guardService = (stack: string): string => `${GUARD}-${stack}.service`
export const gateService = (stack: string, unit: string): string => `standby-gate-${stack}@${unit}.service`

/** The variables in which the guard finds its own, read-only keys or token of the witness. */
export const WITNESS_ACCESS_KEY_ID = 'STANDBY_GUARD_ACCESS_KEY_ID'
export const WITNESS_SECRET_ACCESS_KEY = 'STANDBY_GUARD_SECRET_ACCESS_KEY'
export const WITNESS_TOKEN = 'STANDBY_GUARD_TOKEN'
/**
 * The file next to the stack file with the certificate authorities of the witness, where the stack file names some.
 */
export const WITNESS_AUTHORITIES = 'witness-authorities.pem'
/** The variable with the hash of what was deployed; the guard's report repeats it. */
export const CONFIGURATION = 'STANDBY_GUARD_CONFIGURATION'
