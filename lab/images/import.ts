import { execute } from '../execute.ts'
import { socketOf } from '../site/containerd.ts'
import type { SiteName } from '../topology.ts'
import { digestOfImage, type Image } from './image.ts'
import { importImages } from './store.ts'

/**
 * Gives a running site images under their names, unless it has just these; only layers that the site lacks are sent.
 */
export async function importMissing(site: SiteName, images: readonly Image[], signal: AbortSignal): Promise<void> {
  const ctr = ['ctr', '-a', socketOf(site)]
  const known = await namesAndDigests(ctr, signal)
  const missing = images.filter((image) => image.names.some((name) => known.get(name) !== digestOfImage(image)))
  if (missing.length === 0) return
  await importImages(ctr, missing, await contentOf(ctr, signal), signal)
}

async function namesAndDigests(
  [program = '', ...args]: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const lines = (await execute(program, [...args, '-n', 'k8s.io', 'images', 'ls'], { signal }))
    .trim()
    .split('\n')
    .slice(1)
  return new Map(lines.map((line) => line.split(/\s+/)).map(([name = '', , digest = '']) => [name, digest]))
}

async function contentOf([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<Set<string>> {
  const text = await execute(program, [...args, '-n', 'k8s.io', 'content', 'ls', '-q'], { signal })
  return new Set(text.trim().split('\n'))
}
