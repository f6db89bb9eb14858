import type { Milliseconds } from '../values/duration.ts'

/**
 * Runs work that must end: its signal is aborted at the deadline or with one of the outer signals, and work that
 * ignores it is not waited for. A deadline that may grow, with what is learned of the way meanwhile, is asked once more
 * when it is over. Throws the reason of the outer signal, or what `late` makes of the deadline.
 */
export async function withinDeadline<T>(
  deadline: Milliseconds | (() => Milliseconds),
  signals: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
  late: (deadline: Milliseconds) => Error,
): Promise<T> {
  const allowed = typeof deadline === 'number' ? (): Milliseconds => deadline : deadline
  // Code that may throw comes first, so that no listener is left without a waiter.
  const first = allowed()
  const ending = new AbortController()
  const listened = signals.filter((signal) => signal !== undefined)
  for (const signal of listened) signal.throwIfAborted()
  let end = (_: unknown): void => undefined
  const ended = new Promise<never>((_, reject) => {
    end = (reason) => {
      reject(reason)
      ending.abort(reason)
    }
  })
  const onAbort = (event: Event): void => end((event.target as AbortSignal).reason)
  for (const signal of listened) signal.addEventListener('abort', onAbort, { once: true })
  const begun = performance.now()
  const look = (): void => {
    const whole = allowed()
    const left = whole - (performance.now() - begun)
    if (left <= 1) end(late(Math.round(whole)))
    else timer = setTimeout(look, left)
  }
  let timer = setTimeout(look, first)
  try {
    return await Promise.race([work(ending.signal), ended])
  } finally {
    clearTimeout(timer)
    for (const signal of listened) signal.removeEventListener('abort', onAbort)
  }
}
