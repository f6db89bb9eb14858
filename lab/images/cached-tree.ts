import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execute } from '../execute.ts'
import { withProcessLock } from '../process-lock.ts'
import type { Progress } from '../progress.ts'
import { cached } from '../topology.ts'

/** A Debian that hosts of the lab share, read-only. */
export interface TreeRecipe {
  /** Its folder in the cache. */
  readonly folder: string
  /** Names all that decides what ends up in the tree. */
  readonly key: string
  /** For the progress. */
  readonly label: string
  readonly suite: string
  readonly packages: readonly string[]
  /** Makes the fresh Debian in `unfinished` what the hosts need. */
  complete(unfinished: string, onLine: (line: string) => void): Promise<void>
}

/** Paths of a fresh Debian that no host of the lab reads. */
export const UNREAD = ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale', 'usr/share/man']

/** Takes the tree from the cache, or builds it there once; another process that builds it is waited for. */
export async function ensureTree(recipe: TreeRecipe, progress: Progress, signal: AbortSignal): Promise<string> {
  const { folder, key, label } = recipe
  const home = cached(folder, key)
  const tree = join(home, 'tree')
  if (existsSync(tree)) return tree
  const wait = () => sleep(1_000, undefined, { signal })
  await withProcessLock(cached(`${folder}.lock`), wait, async () => {
    if (existsSync(tree)) return
    const onLine = (line: string) => progress.detail(label, line)
    await progress.step(label, () => build(recipe, home, tree, onLine, signal))
  })
  return tree
}

async function build(
  { suite, packages, complete }: TreeRecipe,
  home: string,
  tree: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const unfinished = join(home, 'unfinished')
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(home, { recursive: true })
  const include = `--include=${packages.join(',')}`
  await execute('mmdebstrap', ['--variant=minbase', include, suite, unfinished], { deadline: 900_000, onLine, signal })
  await complete(unfinished, onLine)
  await rename(unfinished, tree)
}
