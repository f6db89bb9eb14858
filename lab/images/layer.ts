import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import { cached } from '../topology.ts'

/** One uncompressed image layer in the cache, named by what it is made of. */
export interface Layer {
  readonly name: string
  readonly path: string
  readonly digest: string
  readonly size: number
}

/** A short name for a set of ingredients; equal ingredients give an equal key on every machine. */
export function keyOf(...ingredients: readonly string[]): string {
  const hash = createHash('sha256')
  for (const ingredient of ingredients) hash.update(`${Buffer.byteLength(ingredient)}:`).update(ingredient)
  return hash.digest('hex').slice(0, 16)
}

/**
 * Returns the layer from the cache, or has `fill` build its tree first; an interrupted build leaves nothing that looks
 * finished.
 */
export async function ensureLayer(name: string, key: string, fill: (tree: string) => Promise<void>): Promise<Layer> {
  const path = cached('images', `${name}-${key}.tar`)
  const known = await readLayer(name, path)
  if (known !== undefined) return known
  await mkdir(cached('images'), { recursive: true })
  const work = await mkdtemp(cached('images', `.${name}-`))
  try {
    const tree = join(work, 'tree')
    await mkdir(tree)
    await fill(tree)
    return await packLayer(name, tree, path)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Packs an existing tree as a layer; entries are sorted and dated 0 so that an equal tree gives an equal digest. */
export async function packLayer(name: string, tree: string, path: string): Promise<Layer> {
  const unfinished = `${path}.unfinished`
  await execute('tar', ['--numeric-owner', '--sort=name', '--mtime=@0', '-C', tree, '-cf', unfinished, '.'], {
    deadline: 300_000,
  })
  const digest = await digestOfFile(unfinished)
  await writeFile(`${path}.digest`, digest)
  await rename(unfinished, path)
  return { name, path, digest, size: (await stat(path)).size }
}

export async function readLayer(name: string, path: string): Promise<Layer | undefined> {
  try {
    const digest = await readFile(`${path}.digest`, 'utf8')
    return { name, path, digest, size: (await stat(path)).size }
  } catch {
    return undefined
  }
}

export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}
