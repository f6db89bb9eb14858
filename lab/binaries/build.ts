import { existsSync, globSync } from 'node:fs'
import { copyFile, mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import { keyOf } from '../images/layer.ts'
import { cached } from '../topology.ts'
import { ensureGo, type Go } from './go.ts'

/** The Kubernetes version that go.mod pins; without it in the ldflags the node calls itself v0.0.0. */
const kubernetesVersion = { full: 'v1.34.4', major: '1', minor: '34' }

interface GoModule {
  readonly name: string
  readonly packages: Readonly<Record<string, string>>
  readonly ldflags: string
  /** Whether one Go builds it as well as another: then a program in the cache needs no Go. */
  readonly byAnyGo?: boolean
  /** The files that decide what is built. */
  readonly sources: readonly string[]
  /** The release manifest that the module carries beside its code. */
  readonly manifest?: string
  /** Not every lab needs it, and it takes long: only `ensureProgram` builds it. */
  readonly onDemand?: boolean
}

const pinned = ['go.mod', 'go.sum', 'tools.go']
const versionPackage = 'k8s.io/component-base/version'
const kubernetesParts = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const

const goModules = [
  {
    name: 'kubernetes',
    packages: Object.fromEntries(kubernetesParts.map((part) => [part, `k8s.io/kubernetes/cmd/${part}`])),
    ldflags:
      `-s -w -X ${versionPackage}.gitVersion=${kubernetesVersion.full}` +
      ` -X ${versionPackage}.gitMajor=${kubernetesVersion.major} -X ${versionPackage}.gitMinor=${kubernetesVersion.minor}`,
    sources: pinned,
  },
  ownModule('pause'),
  ownModule('slow-link'),
  goModule('etcd', 'etcd', 'go.etcd.io/etcd/server/v3'),
  goModule(
    'cloudnative-pg',
    'cnpg-manager',
    'github.com/cloudnative-pg/cloudnative-pg/cmd/manager',
    'releases/cnpg-1.30.0.yaml',
  ),
  goModule(
    'plugin-barman-cloud',
    'plugin-barman-cloud',
    'github.com/cloudnative-pg/plugin-barman-cloud/cmd/manager',
    'manifest.yaml',
  ),
  { ...goModule('versitygw', 'versitygw', 'github.com/versity/versitygw/cmd/versitygw'), byAnyGo: true },
  goModule('coredns', 'coredns', 'github.com/coredns/coredns'),
  goModule('helm', 'helm', 'helm.sh/helm/v3/cmd/helm'),
  goModule('act', 'act', 'github.com/nektos/act'),
  // About ten minutes on two cores. Under the BUSL: a tool of the lab, which is shipped nowhere.
  { ...goModule('consul', 'consul', 'github.com/hashicorp/consul'), onDemand: true },
] satisfies readonly GoModule[]

type Program =
  | (typeof kubernetesParts)[number]
  | 'pause'
  | 'slow-link'
  | 'etcd'
  | 'cnpg-manager'
  | 'plugin-barman-cloud'
  | 'versitygw'
  | 'coredns'
  | 'helm'
  | 'act'
  | 'consul'
type Manifest = 'cloudnative-pg.yaml' | 'plugin-barman-cloud.yaml'

/** Where each program of the lab, and each release manifest, lies in the cache. */
export type Binaries = Readonly<Record<Exclude<Program, 'consul'> | Manifest, string>>

const goEnvironment = { GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false -trimpath' }

/**
 * Returns every binary that a lab of clusters needs, built one module after another where the cache lacks it; the Go
 * toolchain uses all cores for one build.
 */
export async function ensureBinaries(onBuild: (binary: string) => void, signal: AbortSignal): Promise<Binaries> {
  const go = once(() => ensureGo(signal))
  const found: Record<string, string> = {}
  for (const goModule of goModules.filter((one: GoModule) => one.onDemand !== true))
    Object.assign(found, await ensureModule(goModule, go, onBuild, signal))
  return found as Binaries
}

/** The path of one program; built alone where the cache lacks it. */
export async function ensureProgram(program: Program, signal: AbortSignal): Promise<string> {
  const goModule = goModules.find(({ packages }) => Object.hasOwn(packages, program))
  if (goModule === undefined) throw new Error(`lab-build-failed: no module brings ${program}`)
  const found = await ensureModule(
    goModule,
    once(() => ensureGo(signal)),
    () => undefined,
    signal,
  )
  return found[program] ?? ''
}

/** True when the program is in the cache, of whatever version; a newer one is built beside it. */
export const programIsCached = (program: Program): boolean => globSync(cached('binaries', '*', program)).length > 0

async function ensureModule(
  goModule: GoModule,
  go: () => Promise<Go>,
  onBuild: (binary: string) => void,
  signal: AbortSignal,
) {
  const source = join(import.meta.dirname, goModule.name)
  const ingredients = await Promise.all(goModule.sources.map((file) => readFile(join(source, file), 'utf8')))
  const key = keyOf(
    ...(goModule.byAnyGo === true ? [] : [(await go()).version]),
    goModule.ldflags,
    JSON.stringify(goEnvironment),
    JSON.stringify(goModule.packages),
    ...ingredients,
  )
  const home = cached('binaries', `${goModule.name}-${key}`)
  await mkdir(home, { recursive: true })
  const paths: Record<string, string> = {}
  for (const [binary, path] of Object.entries(goModule.packages)) {
    const target = join(home, binary)
    if (!existsSync(target)) {
      onBuild(binary)
      // A test may build what the lab is building just then: each to a file of its own, and either is as good.
      const unfinished = `${target}.${process.pid}.unfinished`
      const args = ['build', '-ldflags', goModule.ldflags, '-o', unfinished, path]
      const { program } = await go()
      await execute(program, args, { cwd: source, env: goEnvironment, deadline: 1_800_000, signal })
      await rename(unfinished, target)
    }
    paths[binary] = target
  }
  const manifest = await ensureManifest(source, home, goModule, go, signal)
  if (manifest !== undefined) paths[`${goModule.name}.yaml`] = manifest
  return paths
}

/** Copied out of the module, because Go's module cache may be emptied at any time. */
async function ensureManifest(
  source: string,
  home: string,
  goModule: GoModule,
  go: () => Promise<Go>,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (goModule.manifest === undefined) return undefined
  const target = join(home, 'manifest.yaml')
  if (existsSync(target)) return target
  const importPath = Object.values(goModule.packages)[0] ?? ''
  const args = ['list', '-f', '{{.Module.Dir}}', importPath]
  const options = { cwd: source, env: goEnvironment, deadline: 120_000, signal }
  const directory = (await execute((await go()).program, args, options)).trim()
  await copyFile(join(directory, goModule.manifest), target)
  return target
}

/** Go is looked for when the first module needs it, and once. */
function once<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined
  return () => {
    found ??= find()
    return found
  }
}

function goModule(name: string, binary: string, path: string, manifest?: string): GoModule {
  return {
    name,
    packages: { [binary]: path },
    ldflags: '-s -w',
    sources: pinned,
    ...(manifest === undefined ? {} : { manifest }),
  }
}

/** A program of the lab's own, without dependencies. */
function ownModule(name: string): GoModule {
  return { name, packages: { [name]: `standby/lab/${name}` }, ldflags: '-s -w', sources: ['go.mod', 'main.go'] }
}
