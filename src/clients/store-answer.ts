import type { Milliseconds } from '../values/duration.ts'

/** What was tried, for the error. */
export interface Attempt {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** null for the bucket itself. */
  readonly key: string | null
  /** As in an access policy: `s3:PutObject`. */
  readonly action: string
  readonly method: string
  /** The header that carries a precondition; null without one. */
  readonly condition: 'If-None-Match' | 'If-Match' | null
}

/** What a store, or something in its place, said. */
export interface StoreAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** What its Retry-After asks for. */
  readonly retryAfter: Milliseconds | null
}
