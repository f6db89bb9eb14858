import { randomBytes } from 'node:crypto'
import { stampOf } from '../values/stamp.ts'

/** A new name for a run: sorts by time, and is nobody else's. */
export const newRun = (now: Date): string => `${stampOf(now.toISOString())}-${randomBytes(4).toString('hex')}`
