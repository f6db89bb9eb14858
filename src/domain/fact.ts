import type { Json } from '../values/json.ts'

/**
 * A fact that a plan depends on. A decision fact must be the same when the plan is executed;
 * a volatile one may move, up to its tolerance.
 */
export type Fact = (
  | { readonly name: string; readonly value: Json; readonly binds: 'exactly' }
  | {
      readonly name: string
      readonly value: number
      readonly binds: 'at-most'
      readonly limit: number
      readonly unit: string
    }
) & {
  /** The only kind of move that depends on it; absent: every kind. Not part of a plan, which has only its own facts. */
  readonly only?: 'switchover' | 'failover' | 'rejoin' | 'reopen'
}
