import { execute } from '../execute.ts'
import { socketOf } from '../site/containerd.ts'
import type { SiteName } from '../topology.ts'
import { digestOfImage, type Image } from './image.ts'
import { importImages } from './store.ts'

/** Gives a running site an image under its names, unless it has just this one; only layers that the site lacks are sent. */
export async function importIfMissing(site: SiteName, image: Image, signal: AbortSignal): Promise<void> {
  const ctr = ['ctr', '-a', socketOf(site)]
  const known = await namesAndDigests(ctr, signal)
  const digest = digestOfImage(image)
  if (image.names.every((name) => known.get(name) === digest)) return
  const content = await contentOf(ctr, signal)
  await importImages(ctr, [image], new Set(image.layers.map((layer) => layer.digest).filter((layer) => content.has(layer))), signal)
}

async function namesAndDigests([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
  const lines = (await execute(program, [...args, '-n', 'k8s.io', 'images', 'ls'], { signal })).trim().split('\n').slice(1)
  return new Map(lines.map((line) => line.split(/\s+/)).map(([name = '', , digest = '']) => [name, digest]))
}

async function contentOf([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<Set<string>> {
  const text = await execute(program, [...args, '-n', 'k8s.io', 'content', 'ls', '-q'], { signal })
  return new Set(text.trim().split('\n'))
}
