import { type Binaries, ensureBinaries } from './binaries/build.ts'
import { type Catalogue, ensureCatalogue } from './images/catalogue.ts'
import { ensureStore } from './images/store.ts'
import type { Progress } from './progress.ts'

/** What every command that starts something takes from the cache. */
export interface CachedParts {
  readonly binaries: Binaries
  readonly catalogue: Catalogue
  readonly store: string
}

/** Builds what the cache lacks; a fraction of a second when it lacks nothing. */
export async function ensureCachedParts(progress: Progress, signal: AbortSignal): Promise<CachedParts> {
  const onBuild = (binary: string) => progress.detail('binaries', binary)
  const binaries = await progress.step('binaries', () => ensureBinaries(onBuild, signal))
  const onLine = (line: string) => progress.detail('images', line)
  const catalogue = await progress.step('images', () => ensureCatalogue(binaries, onLine, signal))
  const store = await progress.step('image store', () => ensureStore(catalogue.images, signal))
  return { binaries, catalogue, store }
}
