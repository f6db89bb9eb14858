import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execute } from '../execute.ts'
import { LOGIN } from '../login.ts'
import { withProcessLock } from '../process-lock.ts'
import type { Progress } from '../progress.ts'
import { cached } from '../topology.ts'
import { inTree } from './in-tree.ts'
import { keyOf } from './layer.ts'

const suite = 'bookworm'
const packages = ['curl', 'nginx-light', 'openssh-server', 'procps', 'sudo']

/** Raise it when a function below changes what ends up in the tree. */
const recipe = '1'

/** Word for word what docs/drivers/nginx.md asks for, so that a move proves it. */
export const SUDOERS = `${LOGIN.user} ALL=(root) NOPASSWD: /usr/sbin/nginx -t -q, /usr/sbin/nginx -s reload, /usr/bin/kill -TERM *\n`

/**
 * The Debian of the NGINX hosts: a tree of its own, so that the images of the sites stay what they are. Built once, and
 * then taken from the cache; another process that builds it is waited for.
 */
export async function ensureNginxTree(progress: Progress, signal: AbortSignal): Promise<string> {
  const home = cached('nginx', keyOf(recipe, suite, SUDOERS, ...packages))
  const tree = join(home, 'tree')
  if (existsSync(tree)) return tree
  const wait = () => sleep(1_000, undefined, { signal })
  await withProcessLock(cached('nginx.lock'), wait, async () => {
    if (existsSync(tree)) return
    const onLine = (line: string) => progress.detail('NGINX tree', line)
    await progress.step('NGINX tree', () => build(home, tree, onLine, signal))
  })
  return tree
}

async function build(home: string, tree: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  const unfinished = join(home, 'unfinished')
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(home, { recursive: true })
  const include = `--include=${packages.join(',')}`
  await execute('mmdebstrap', ['--variant=minbase', include, suite, unfinished], { deadline: 900_000, onLine, signal })
  await inTree(unfinished, ['useradd', '--create-home', '--shell', '/bin/bash', '--password', '*', LOGIN.user], signal)
  const rights = join(unfinished, 'etc/sudoers.d', LOGIN.user)
  await writeFile(rights, SUDOERS)
  await chmod(rights, 0o440)
  // Each host has a host key of its own.
  await rm(join(unfinished, 'etc/ssh'), { recursive: true })
  for (const path of ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale', 'usr/share/man'])
    await rm(join(unfinished, path), { recursive: true, force: true })
  await rename(unfinished, tree)
}
