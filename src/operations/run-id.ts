import { randomBytes } from 'node:crypto'
import { stampOf } from '../values/stamp.ts'

/** A new, unique name for a run, which sorts by time. */
export const newRun = (now: Date): string => `${stampOf(now.toISOString())}-${randomBytes(4).toString('hex')}`
