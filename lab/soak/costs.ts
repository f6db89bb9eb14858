import { readFileSync } from 'node:fs'
import type { ConditionalStore } from '../../src/witness/conditional-store.ts'

/**
 * Watches how much memory a process ever held (VmHWM, proc(5)); the returned function stops watching and says how many
 * bytes.
 */
export function watchPeakMemory(pid: number): () => number {
  let peak = 0
  const look = (): void => {
    try {
      peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024 || peak
    } catch {
      // It has ended: what was seen last is its highest, for this figure never falls.
    }
  }
  look()
  const timer = setInterval(look, 50)
  return () => {
    clearInterval(timer)
    return peak
  }
}

/** How much a run wrote into its journal. */
export async function journalOf(
  store: ConditionalStore,
  run: string,
): Promise<{ readonly entries: number; readonly bytes: number }> {
  const keys = await store.list(`runs/${run}/journal/`)
  const texts = await Promise.all(keys.map((key) => store.getText(key)))
  return { entries: keys.length, bytes: texts.reduce((sum, text) => sum + Buffer.byteLength(text ?? ''), 0) }
}
