import { rm } from 'node:fs/promises'
import type { Binaries } from '../binaries/build.ts'
import { coveredBySites } from '../covered-directories.ts'
import type { Catalogue } from '../images/catalogue.ts'
import { importMissing } from '../images/import.ts'
import { ensureMountNamespace } from '../inside.ts'
import { letSiteForward } from '../network/host-namespace.ts'
import type { Progress } from '../progress.ts'
import { runningProcess } from '../state.ts'
import { runOf, type SiteName } from '../topology.ts'
import { until } from '../until.ts'
import { startContainerd } from './containerd.ts'
import { startApiServer, startControllers } from './control-plane.ts'
import { provideDns } from './dns.ts'
import { type Kubectl, kubectlOf } from './kubectl.ts'
import { startNode } from './kubelet.ts'
import { installOperators, untilOperatorsAvailable } from './operators.ts'
import { ensurePki } from './pki.ts'
import { provideVolumes } from './volumes.ts'

export interface SiteParts {
  readonly binaries: Binaries
  readonly catalogue: Catalogue
  /** Directory of the prepared containerd root that the site clones. */
  readonly store: string
}

/** Brings one site up from nothing, from anything half done, or finds that all is there. */
export async function startSite(
  site: SiteName,
  parts: SiteParts,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const kubectl = kubectlOf(site, parts.binaries, signal)
  await startDaemons(site, parts, progress, signal)
  await progress.step(`${site}: objects`, async () => {
    await Promise.all([
      installOperators(kubectl, parts.binaries, parts.catalogue.names),
      provideDns(site, parts.catalogue.names, kubectl),
      provideVolumes(site, kubectl),
    ])
  })
  await progress.step(`${site}: operators available`, () => untilSiteWorks(site, parts.binaries, undefined, signal))
}

/**
 * Starts whatever process of the site does not run (all after `up`, what was killed after an outage); true when the
 * site had to boot.
 */
export async function startDaemons(
  site: SiteName,
  parts: SiteParts,
  progress: Progress,
  signal: AbortSignal,
): Promise<boolean> {
  const booted = await progress.step(`${site}: API server`, async () => {
    await ensurePki(site)
    const fresh = await boot(site, signal)
    await Promise.all([startApiServer(site, parts.binaries, signal), startImages(site, parts, signal)])
    return fresh
  })
  await startControllers(site, parts.binaries)
  await startNode(site, parts.binaries)
  return booted
}

async function startImages(site: SiteName, { store, catalogue }: SiteParts, signal: AbortSignal): Promise<void> {
  await startContainerd(site, store, signal)
  // A site that was cloned from an older store gets what has been built since.
  await importMissing(site, catalogue.images, signal)
}

/**
 * Returns when node, operators and DNS work; with `since`, when they were all started after that instant, for a past
 * that the API server still believes in.
 */
export async function untilSiteWorks(
  site: SiteName,
  binaries: Binaries,
  since: Date | undefined,
  signal: AbortSignal,
): Promise<void> {
  const kubectl = kubectlOf(site, binaries, signal)
  if (since !== undefined) {
    const patience = { deadline: 180_000, every: 500, signal }
    await until(
      `the pods of ${site} run again`,
      patience,
      async () => (await podsNotBackSince(kubectl, since)).length === 0,
    )
  }
  await Promise.all([untilNodeReady(site, kubectl), untilOperatorsAvailable(kubectl), untilDnsAvailable(kubectl)])
}

interface Pod {
  readonly metadata: { readonly name: string }
  readonly status: {
    readonly containerStatuses?: {
      readonly ready: boolean
      readonly state: { readonly running?: { readonly startedAt: string } }
    }[]
  }
}

/** Names of the site's own pods with a container that has not been started, and found ready, after an instant. */
async function podsNotBackSince(kubectl: Kubectl, since: Date): Promise<string[]> {
  const namespaces = ['kube-system', 'cnpg-system']
  const lists = await Promise.all(
    namespaces.map((namespace) => kubectl(['-n', namespace, 'get', 'pods', '-o', 'json'])),
  )
  const pods: Pod[] = lists.flatMap((list) => JSON.parse(list).items)
  // The API server keeps whole seconds.
  const earliest = Math.floor(since.getTime() / 1000) * 1000
  const back = ({ status }: Pod) => {
    const containers = status.containerStatuses ?? []
    return (
      containers.length > 0 &&
      containers.every(({ ready, state }) => ready && Date.parse(state.running?.startedAt ?? '') >= earliest)
    )
  }
  return pods.filter((pod) => !back(pod)).map((pod) => pod.metadata.name)
}

async function untilNodeReady(site: SiteName, kubectl: Kubectl): Promise<void> {
  const wait = ['wait', '--for=condition=Ready', '--timeout=120s', '--request-timeout=0', `node/${site}`]
  // `wait` fails at once while the node has not registered itself.
  await kubectl(['wait', '--for=create', '--timeout=60s', '--request-timeout=0', `node/${site}`], { deadline: 70_000 })
  await kubectl(wait, { deadline: 130_000 })
}

async function untilDnsAvailable(kubectl: Kubectl): Promise<void> {
  const wait = [
    '-n',
    'kube-system',
    'wait',
    '--for=condition=Available',
    '--timeout=120s',
    '--request-timeout=0',
    'deployment/coredns',
  ]
  await kubectl(wait, { deadline: 130_000 })
}

/** A new mount namespace is what a reboot is to a real node: what lived in memory is gone and must not be believed. */
async function boot(site: SiteName, signal: AbortSignal): Promise<boolean> {
  if (runningProcess(site, 'mounts') !== undefined) return false
  for (const volatile of ['containerd', 'containerd.sock', 'containerd.sock.ttrpc', 'addresses']) {
    await rm(runOf(site, volatile), { recursive: true, force: true })
  }
  await ensureMountNamespace(site, coveredBySites, signal)
  await letSiteForward(site)
  return true
}
