/**
 * Milliseconds since the call, without the time in which a busy machine did not let this process run. For upper bounds
 * of waits: a wait that is too long is counted, a process that got no processor for a second is not. It ticks every
 * 10 ms, and a later tick counts as 20 ms at most; so work that blocks the event loop is not measured by it.
 */
export function awakeClock(): () => number {
  let counted = 0
  let last = performance.now()
  const count = (): number => {
    const now = performance.now()
    counted += Math.min(now - last, 2 * TICK)
    last = now
    return counted
  }
  setInterval(count, TICK).unref()
  return count
}
const TICK = 10
