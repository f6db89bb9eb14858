import type { Memory } from '../driver/behaviour.ts'

/** The empty memory of one performer of a step; it is gone with the performer. */
export function stepMemory<M>(): Memory<M> {
  let value: M | undefined
  return {
    get value() {
      return value
    },
    set(next) {
      value = next
    },
  }
}
