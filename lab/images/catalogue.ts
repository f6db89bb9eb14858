import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import type { Binaries } from '../binaries/build.ts'
import { type Debian, ensureDebian } from './debian.ts'
import type { Image } from './image.ts'
import { digestOfFile, ensureLayer, keyOf, type Layer } from './layer.ts'

/** The images that manifests and stack files name. */
export interface ImageNames {
  readonly pause: string
  readonly coredns: string
  readonly operator: string
  readonly plugin: string
  readonly sidecar: string
  readonly postgresql: string
  readonly redis: string
  readonly tools: string
  readonly node: string
}

export interface Catalogue {
  readonly names: ImageNames
  readonly images: readonly Image[]
  readonly debian: Debian
  readonly nodeLayers: readonly Layer[]
}

/** The application images that the charts name; both carry the same program, under the versions of the real ones. */
export const applicationImageNames = {
  infisical: 'docker.io/lab/infisical:v0.165.16',
  hanzoKms: 'docker.io/lab/hanzo-kms:v0.151.0',
} as const
export type ApplicationImageNames = Readonly<Record<keyof typeof applicationImageNames, string>>

const postgresqlPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin'

/** Builds what the cache lacks and returns every image that a site carries before any application. */
export async function ensureCatalogue(
  binaries: Binaries,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<Catalogue> {
  const debian = await ensureDebian(onLine, signal)
  const pause = await programLayer('pause', binaries.pause, '/pause')
  const coredns = await programLayer('coredns', binaries.coredns, '/coredns')
  const operator = await operatorLayer(binaries['cnpg-manager'])
  const plugin = await programLayer('plugin', binaries['plugin-barman-cloud'], '/manager')
  const node = await nodeLayer()
  const nodeVersion = process.versions.node
  const names: ImageNames = {
    pause: 'docker.io/lab/pause:1',
    coredns: 'docker.io/lab/coredns:1.14.7',
    operator: 'docker.io/lab/cloudnative-pg:1.30.0',
    plugin: 'docker.io/lab/plugin-barman-cloud:0.14.0',
    sidecar: 'docker.io/lab/plugin-barman-cloud-sidecar:0.14.0',
    // CloudNativePG reads the major version from the tag and refuses `latest`.
    postgresql: `docker.io/lab/postgresql:${debian.postgresqlVersion}`,
    redis: `docker.io/lab/redis:${debian.redisVersion}`,
    tools: 'docker.io/lab/tools:1',
    node: `docker.io/lab/node:${nodeVersion}`,
  }
  const images: Image[] = [
    { names: [names.pause], layers: [pause], entrypoint: ['/pause'] },
    { names: [names.coredns], layers: [coredns], entrypoint: ['/coredns'] },
    { names: [names.operator], layers: [operator], entrypoint: ['/manager'], user: '10001' },
    { names: [names.plugin], layers: [plugin], entrypoint: ['/manager'], user: '10001' },
    { names: [names.sidecar], layers: [debian.layer, plugin], entrypoint: ['/manager'], user: '26' },
    { names: [names.postgresql, names.redis, names.tools], layers: [debian.layer], path: postgresqlPath },
    { names: [names.node], layers: [debian.layer, node] },
  ]
  return { names, images, debian, nodeLayers: [debian.layer, node] }
}

/** The application's image: Debian, Node 24 and one bundled file; `names` all point at the same content. */
export async function applicationImage(
  names: readonly string[],
  bundlePath: string,
  catalogue: Catalogue,
): Promise<Image> {
  const bundle = await readFile(bundlePath)
  const layer = await ensureLayer(
    'application',
    keyOf(createHash('sha256').update(bundle).digest('hex')),
    async (tree) => {
      await mkdir(join(tree, 'app'))
      await writeFile(join(tree, 'app/server.mjs'), bundle)
    },
  )
  const entrypoint = ['/usr/local/bin/node', '/app/server.mjs']
  return { names, layers: [...catalogue.nodeLayers, layer], entrypoint, user: '1001', workingDirectory: '/app' }
}

function programLayer(name: string, program: string, target: string): Promise<Layer> {
  return ensureLayer(name, keyOf(basename(dirname(program)), target), async (tree) => {
    await addAuthorities(tree)
    await copyFile(program, join(tree, target))
  })
}

function operatorLayer(program: string): Promise<Layer> {
  return ensureLayer('operator', keyOf(basename(dirname(program))), async (tree) => {
    await addAuthorities(tree)
    // The operator hashes operator/manager_*, and the pods that it makes start with `/manager bootstrap`.
    await mkdir(join(tree, 'operator'))
    await copyFile(program, join(tree, 'operator/manager_amd64'))
    await symlink('/operator/manager_amd64', join(tree, 'manager'))
  })
}

async function nodeLayer(): Promise<Layer> {
  const program = createRequire(import.meta.url).resolve('node/bin/node')
  return ensureLayer('node', keyOf(await digestOfFile(program)), async (tree) => {
    await mkdir(join(tree, 'usr/local/bin'), { recursive: true })
    await copyFile(program, join(tree, 'usr/local/bin/node'))
    await chmod(join(tree, 'usr/local/bin/node'), 0o755)
  })
}

async function addAuthorities(tree: string): Promise<void> {
  await mkdir(join(tree, 'etc/ssl/certs'), { recursive: true })
  await mkdir(join(tree, 'tmp'), { mode: 0o777 })
  await chmod(join(tree, 'tmp'), 0o1777)
  await copyFile('/etc/ssl/certs/ca-certificates.crt', join(tree, 'etc/ssl/certs/ca-certificates.crt'))
}
