import { setTimeout as sleep } from 'node:timers/promises'
import { type Binaries, ensureBinaries } from './binaries/build.ts'
import { type Catalogue, ensureCatalogue } from './images/catalogue.ts'
import { ensureStore } from './images/store.ts'
import { withProcessLock } from './process-lock.ts'
import type { Progress } from './progress.ts'
import { cached } from './topology.ts'

/** What every command that starts something takes from the cache. */
export interface CachedParts {
  readonly binaries: Binaries
  readonly catalogue: Catalogue
  readonly store: string
}

/**
 * Builds what the cache lacks; a fraction of a second when it lacks nothing. Another process that builds is waited for:
 * both would build the same.
 */
export async function ensureCachedParts(progress: Progress, signal: AbortSignal): Promise<CachedParts> {
  const onBuild = (binary: string) => progress.detail('binaries', binary)
  const onLine = (line: string) => progress.detail('images', line)
  let waitsFor: number | undefined
  const wait = async (holder: number): Promise<void> => {
    if (holder !== waitsFor) progress.note(`waiting for process ${holder}, which fills the cache`)
    waitsFor = holder
    await sleep(1_000, undefined, { signal })
  }
  return withProcessLock(cached('lock'), wait, async () => {
    const binaries = await progress.step('binaries', () => ensureBinaries(onBuild, signal))
    const catalogue = await progress.step('images', () => ensureCatalogue(binaries, onLine, signal))
    const store = await progress.step('image store', () => ensureStore(catalogue.images, signal))
    return { binaries, catalogue, store }
  })
}
