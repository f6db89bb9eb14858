/**
 * What a look gives; once the signal ends, `otherwise` in its place: what is slow does not hide what has answered. The
 * look itself is not waited for. It may end by the signal as well; all else that it throws is thrown.
 *
 * Settles before whatever waits for the end of the signal by a later turn of the event loop (`src/observation`).
 */
export async function seenInTime<Seen, Otherwise>(
  signal: AbortSignal,
  look: () => Promise<Seen>,
  otherwise: () => Otherwise,
): Promise<Seen | Otherwise> {
  const over = Promise.withResolvers<Otherwise>()
  const end = (): void => over.resolve(otherwise())
  if (signal.aborted) return otherwise()
  signal.addEventListener('abort', end, { once: true })
  try {
    const seen = look().catch((error: unknown) => {
      if (signal.aborted) return otherwise()
      throw error
    })
    return await Promise.race([seen, over.promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}
