import type { Milliseconds } from '../values/duration.ts'

export interface Clock {
  now(): Date
  /** Resolves after the time, or rejects at once when the signal is aborted. */
  sleep(ms: Milliseconds, signal: AbortSignal): Promise<void>
}
