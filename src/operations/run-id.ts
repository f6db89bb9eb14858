import { randomBytes } from 'node:crypto'

/** A new name for a run: sorts by time, and is nobody else's. */
export const newRun = (now: Date): string => `${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-${randomBytes(4).toString('hex')}`
