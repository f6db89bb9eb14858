import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { killGroup, removeGroup } from '../cgroup.ts'
import { execute } from '../execute.ts'
import { ensureDaemon } from '../inside.ts'
import { containerdConfiguration, untilContainerdAnswers } from '../site/containerd.ts'
import { cached, runDirectory } from '../topology.ts'
import { archiveOf, digestOfImage, type Image } from './image.ts'
import { keyOf } from './layer.ts'

const importer = 'importer'

/** A containerd root directory with all images unpacked, made once; sites clone it (see `cloneStore`). */
export async function ensureStore(images: readonly Image[], signal: AbortSignal): Promise<string> {
  const version = (await execute('containerd', ['--version'])).trim()
  const store = cached(
    'containerd',
    keyOf(version, ...images.map((image) => `${image.names.join(',')} ${digestOfImage(image)}`)),
  )
  if (existsSync(store)) return store
  const unfinished = `${store}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  await importInto(unfinished, images, signal)
  await removeOlderStores(store)
  await rename(unfinished, store)
  return store
}

/** True when `up` finds its images unpacked in the cache (of whatever version; a newer one is made beside it). */
export function storeIsCached(): boolean {
  return (
    existsSync(cached('containerd')) && readdirSync(cached('containerd')).some((name) => !name.endsWith('.unfinished'))
  )
}

async function importInto(root: string, images: readonly Image[], signal: AbortSignal): Promise<void> {
  const run = join(runDirectory, importer)
  const socket = join(run, 'containerd.sock')
  const configuration = join(run, 'containerd.toml')
  await mkdir(run, { recursive: true })
  await writeFile(
    configuration,
    containerdConfiguration({ root, state: join(run, 'state'), socket, networks: join(run, 'none') }),
  )
  // Own mount namespace: unpacking mounts each layer, and no mount may outlive an interrupted import.
  const command = ['unshare', '--mount', '--propagation', 'private', 'containerd', '-c', configuration]
  await ensureDaemon({ group: importer, name: 'containerd', command })
  try {
    await untilContainerdAnswers(socket, signal)
    await importImages(['ctr', '-a', socket], images, new Set(), signal)
  } finally {
    await killGroup(importer)
    await removeGroup(importer)
    await rm(run, { recursive: true, force: true })
  }
}

/** Sends images to a containerd; `present` names layers that it has, which are not sent again. */
export async function importImages(
  ctr: readonly string[],
  images: readonly Image[],
  present: ReadonlySet<string>,
  signal: AbortSignal,
) {
  const [program = '', ...args] = [...ctr, '-n', 'k8s.io', 'images', 'import', '-']
  await execute(program, args, { input: archiveOf(images, present), deadline: 300_000, signal })
}

async function removeOlderStores(store: string): Promise<void> {
  const home = cached('containerd')
  const older = (await readdir(home)).map((name) => join(home, name)).filter((path) => !path.startsWith(store))
  await Promise.all(older.map((path) => rm(path, { recursive: true, force: true })))
}
