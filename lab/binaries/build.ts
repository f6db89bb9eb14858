import { existsSync } from 'node:fs'
import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import { keyOf } from '../images/layer.ts'
import { cached } from '../topology.ts'

/** The Kubernetes version that go.mod pins; without it in the ldflags the node calls itself v0.0.0. */
const kubernetesVersion = { full: 'v1.34.4', major: '1', minor: '34' }

interface GoModule {
  readonly name: string
  readonly packages: Readonly<Record<string, string>>
  readonly ldflags: string
}

const versionPackage = 'k8s.io/component-base/version'
const kubernetesParts = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl'] as const

const goModules = [
  {
    name: 'kubernetes',
    packages: Object.fromEntries(kubernetesParts.map((part) => [part, `k8s.io/kubernetes/cmd/${part}`])),
    ldflags:
      `-s -w -X ${versionPackage}.gitVersion=${kubernetesVersion.full}` +
      ` -X ${versionPackage}.gitMajor=${kubernetesVersion.major} -X ${versionPackage}.gitMinor=${kubernetesVersion.minor}`,
  },
  goModule('etcd', 'etcd', 'go.etcd.io/etcd/server/v3'),
  goModule('cloudnative-pg', 'cnpg-manager', 'github.com/cloudnative-pg/cloudnative-pg/cmd/manager'),
  goModule('plugin-barman-cloud', 'plugin-barman-cloud', 'github.com/cloudnative-pg/plugin-barman-cloud/cmd/manager'),
  goModule('versitygw', 'versitygw', 'github.com/versity/versitygw/cmd/versitygw'),
  goModule('coredns', 'coredns', 'github.com/coredns/coredns'),
  goModule('helm', 'helm', 'helm.sh/helm/v3/cmd/helm'),
  goModule('act', 'act', 'github.com/nektos/act'),
] as const satisfies readonly GoModule[]

export type BinaryName = (typeof kubernetesParts)[number] | 'etcd' | 'cnpg-manager' | 'plugin-barman-cloud' | 'versitygw' | 'coredns' | 'helm' | 'act'

/** Where each binary of the lab lies in the cache. */
export type Binaries = Readonly<Record<BinaryName, string>>

const goEnvironment = { GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false -trimpath' }

/** Returns every binary, built one module after another where the cache lacks it; the Go toolchain uses all cores for one build. */
export async function ensureBinaries(onBuild: (binary: string) => void, signal: AbortSignal): Promise<Binaries> {
  const goVersion = (await execute('go', ['env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' }, signal })).trim()
  const found: Record<string, string> = {}
  for (const goModule of goModules) Object.assign(found, await ensureModule(goModule, goVersion, onBuild, signal))
  return found as Binaries
}

async function ensureModule(goModule: GoModule, goVersion: string, onBuild: (binary: string) => void, signal: AbortSignal) {
  const source = join(import.meta.dirname, goModule.name)
  const ingredients = await Promise.all(['go.mod', 'go.sum', 'tools.go'].map((file) => readFile(join(source, file), 'utf8')))
  const key = keyOf(goVersion, goModule.ldflags, JSON.stringify(goEnvironment), JSON.stringify(goModule.packages), ...ingredients)
  const home = cached('binaries', `${goModule.name}-${key}`)
  await mkdir(home, { recursive: true })
  const paths: Record<string, string> = {}
  for (const [binary, path] of Object.entries(goModule.packages)) {
    const target = join(home, binary)
    if (!existsSync(target)) {
      onBuild(binary)
      const unfinished = `${target}.unfinished`
      const args = ['build', '-ldflags', goModule.ldflags, '-o', unfinished, path]
      await execute('go', args, { cwd: source, env: goEnvironment, deadline: 1_800_000, signal })
      await rename(unfinished, target)
    }
    paths[binary] = target
  }
  return paths
}

/** The unpacked source of a pinned module, for the manifests that a release carries beside its code. */
export async function sourceOf(name: 'cloudnative-pg' | 'plugin-barman-cloud', signal: AbortSignal): Promise<string> {
  const path = goModules.find((goModule) => goModule.name === name)?.packages
  const importPath = Object.values(path ?? {})[0] ?? ''
  const args = ['list', '-f', '{{.Module.Dir}}', importPath]
  return (await execute('go', args, { cwd: join(import.meta.dirname, name), env: goEnvironment, deadline: 120_000, signal })).trim()
}

function goModule(name: string, binary: string, path: string): GoModule {
  return { name, packages: { [binary]: path }, ldflags: '-s -w' }
}
