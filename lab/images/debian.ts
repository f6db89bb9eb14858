import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import { cached } from '../topology.ts'
import { inTree, LENT_CERTIFICATES, lendNetwork, takeNetworkBack } from './in-tree.ts'
import { keyOf, type Layer, packLayer, readLayer } from './layer.ts'

/**
 * One Debian tree serves PostgreSQL, Redis, the barman sidecar, the tools, the application and the load balancers: one
 * layer to import, shared pages in memory.
 */
export interface Debian {
  readonly tree: string
  readonly layer: Layer
  readonly postgresqlVersion: string
  readonly redisVersion: string
}

const suite = 'bookworm'
const packages = [
  'ca-certificates',
  'curl',
  'haproxy',
  'iproute2',
  'openssh-server',
  'openssl',
  'postgresql-15',
  'procps',
  'python3',
  'python3-pip-whl',
  'redis-server',
  'redis-tools',
  'socat',
]

// Debian's barman 3.4 is too old for CloudNativePG 1.26 and later. All dependencies are pinned and none resolved,
// because barman asks for psycopg2, which wants a compiler; psycopg2-binary is the same module compiled.
const wheels = [
  'barman==3.19.1',
  'boto3==1.44.5',
  'botocore==1.44.5',
  'jmespath==1.1.0',
  'psycopg2-binary==2.9.13',
  'python-dateutil==2.9.0.post0',
  's3transfer==0.19.3',
  'six==1.17.0',
  'urllib3==2.8.0',
]

/** Raise it when a function below changes what ends up in the tree. */
const recipe = '2'

/** Builds the Debian tree once per list of packages (about two minutes) and returns it from the cache afterwards. */
export async function ensureDebian(onLine: (line: string) => void, signal: AbortSignal): Promise<Debian> {
  const key = keyOf(recipe, suite, ...packages, ...wheels)
  const home = cached('debian', key)
  const tree = join(home, 'tree')
  if (!existsSync(tree)) await buildTree(home, tree, onLine, signal)
  const path = cached('images', `debian-${key}.tar`)
  await mkdir(cached('images'), { recursive: true })
  const layer = (await readLayer('debian', path)) ?? (await packLayer('debian', tree, path))
  const versions = JSON.parse(await readFile(join(home, 'versions.json'), 'utf8'))
  return { tree, layer, postgresqlVersion: versions.postgresql, redisVersion: versions.redis }
}

async function buildTree(
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
  await installBarman(unfinished, onLine, signal)
  await compilePython(unfinished, signal)
  await numberPostgresAsOperatorExpects(unfinished, signal)
  await prepareLoadBalancerUser(unfinished, signal)
  await writeFile(join(home, 'versions.json'), JSON.stringify(await versionsIn(unfinished, signal)))
  await removeWhatNobodyReads(unfinished)
  await rename(unfinished, tree)
}

async function installBarman(root: string, onLine: (line: string) => void, signal: AbortSignal): Promise<void> {
  const pip = (await readdir(join(root, 'usr/share/python-wheels'))).find((name) => name.startsWith('pip-'))
  if (pip === undefined) throw new Error('lab-image-failed: package python3-pip-whl brought no pip wheel')
  await lendNetwork(root)
  const install = [
    'install',
    '--quiet',
    '--cert',
    LENT_CERTIFICATES,
    '--no-deps',
    '--only-binary',
    ':all:',
    '--target',
    '/opt/barman',
    ...wheels,
  ]
  await inTree(root, ['python3', `/usr/share/python-wheels/${pip}/pip`, ...install], signal, onLine)
  for (const name of await readdir(join(root, 'opt/barman/bin'))) {
    if (!name.startsWith('barman-cloud-')) continue
    const script = join(root, 'opt/barman/bin', name)
    const body = (await readFile(script, 'utf8')).replace(/^#!.*/, '#!/usr/bin/python3')
    await writeFile(script, body)
    await symlink(`/opt/barman/bin/${name}`, join(root, 'usr/local/bin', name))
  }
  await writeFile(join(root, 'usr/lib/python3/dist-packages/barman-cloud.pth'), '/opt/barman\n')
  await takeNetworkBack(root)
}

/**
 * Layers carry no times of files, and Python compiles a module anew in each process when the time of its source is not
 * the compiled one's: every archived segment then took a second of processor time more than on an image of a registry.
 * So modules are compiled with hashes, which are not checked, in place of times.
 */
async function compilePython(root: string, signal: AbortSignal): Promise<void> {
  const libraries = (await readdir(join(root, 'usr/lib')))
    .filter((name) => name.startsWith('python3'))
    .map((name) => `/usr/lib/${name}`)
  const compile = [
    'python3',
    '-m',
    'compileall',
    '-q',
    '-f',
    '--invalidation-mode',
    'unchecked-hash',
    '/opt/barman',
    ...libraries,
  ]
  await inTree(root, compile, signal)
}

/** CloudNativePG runs PostgreSQL as 26:26; Debian's group 26 is `tape`. */
async function numberPostgresAsOperatorExpects(root: string, signal: AbortSignal): Promise<void> {
  await inTree(root, ['usermod', '-u', '26', 'postgres'], signal)
  await inTree(root, ['groupmod', '-g', '126', 'tape'], signal)
  await inTree(root, ['groupmod', '-g', '26', 'postgres'], signal)
  await inTree(root, ['chown', '-R', '26:26', '/var/lib/postgresql'], signal)
  await inTree(root, ['install', '-d', '-m', '2775', '-o', '26', '-g', '26', '/run/postgresql'], signal)
}

/** A person of the group that may talk to HAProxy's runtime socket, as on a host run by others. */
async function prepareLoadBalancerUser(root: string, signal: AbortSignal): Promise<void> {
  await inTree(
    root,
    ['useradd', '--create-home', '--shell', '/bin/bash', '--groups', 'haproxy', '--password', '*', 'standby'],
    signal,
  )
  await rm(join(root, 'etc/ssh'), { recursive: true })
  await mkdir(join(root, 'etc/ssh'))
}

async function versionsIn(root: string, signal: AbortSignal): Promise<{ postgresql: string; redis: string }> {
  const upstream = async (name: string) => {
    const full = await inTree(root, ['dpkg-query', '-W', '-f', '${' + 'Version}', name], signal)
    return full.replace(/^\d+:/, '').replace(/-.*$/, '')
  }
  return { postgresql: await upstream('postgresql-15'), redis: await upstream('redis-server') }
}

async function removeWhatNobodyReads(root: string): Promise<void> {
  const unread = [
    'var/lib/postgresql/15',
    'var/cache/apt',
    'var/lib/apt/lists',
    'usr/share/doc',
    'usr/share/locale',
    'usr/share/man',
  ]
  for (const path of unread) await rm(join(root, path), { recursive: true, force: true })
}
