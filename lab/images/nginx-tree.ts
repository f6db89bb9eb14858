import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LOGIN } from '../login.ts'
import type { Progress } from '../progress.ts'
import { ensureTree, UNREAD } from './cached-tree.ts'
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
export const ensureNginxTree = (progress: Progress, signal: AbortSignal): Promise<string> =>
  ensureTree(
    {
      folder: 'nginx',
      key: keyOf(recipe, suite, SUDOERS, ...packages),
      label: 'NGINX tree',
      suite,
      packages,
      complete: (unfinished) => complete(unfinished, signal),
    },
    progress,
    signal,
  )

async function complete(unfinished: string, signal: AbortSignal): Promise<void> {
  await inTree(unfinished, ['useradd', '--create-home', '--shell', '/bin/bash', '--password', '*', LOGIN.user], signal)
  const rights = join(unfinished, 'etc/sudoers.d', LOGIN.user)
  await writeFile(rights, SUDOERS)
  await chmod(rights, 0o440)
  // Each host has a host key of its own.
  await rm(join(unfinished, 'etc/ssh'), { recursive: true })
  for (const path of UNREAD) await rm(join(unfinished, path), { recursive: true, force: true })
}
