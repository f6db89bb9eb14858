/** Computes what never changes once per process and key. */
export type Once = <T>(key: string, compute: () => Promise<T>) => Promise<T>

/**
 * A new memory of what never changes while the process lives, such as the length of a database's segments. All who ask
 * for one key at the same time share one computation. One that failed is forgotten: the next question computes again.
 */
export function onceByKey(): Once {
  const known = new Map<string, Promise<unknown>>()
  return <T>(key: string, compute: () => Promise<T>): Promise<T> => {
    const before = known.get(key)
    // The one cast: a key stands for one kind of value.
    if (before !== undefined) return before as Promise<T>
    const computed = compute()
    known.set(key, computed)
    computed.catch(() => known.delete(key))
    return computed
  }
}
