import { existsSync } from 'node:fs'
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import { ensureDaemon, entryTo } from '../inside.ts'
import { podBridge, rangesOf, runOf, type SiteName, stateOf } from '../topology.ts'
import { until } from '../until.ts'

export const socketOf = (site: SiteName) => runOf(site, 'containerd.sock')

/**
 * The configuration of one containerd; `restrict_oom_score_adj`, because a machine without CAP_SYS_RESOURCE refuses
 * negative scores.
 */
export function containerdConfiguration(paths: {
  root: string
  state: string
  socket: string
  networks: string
}): string {
  return `version = 2
root = "${paths.root}"
state = "${paths.state}"
[grpc]
  address = "${paths.socket}"
[ttrpc]
  address = "${paths.socket}.ttrpc"
[debug]
  level = "warn"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/lab/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${paths.networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`
}

/** Starts the site's own containerd on a clone of the prepared image store. */
export async function startContainerd(site: SiteName, store: string, signal: AbortSignal): Promise<void> {
  const root = stateOf(site, 'containerd')
  await cloneStore(store, root)
  const networks = stateOf(site, 'cni', 'net.d')
  await mkdir(networks, { recursive: true })
  await mkdir(runOf(site), { recursive: true })
  await writeFile(join(networks, '10-standby.conflist'), podNetwork(site))
  const configuration = stateOf(site, 'containerd.toml')
  await writeFile(
    configuration,
    containerdConfiguration({ root, state: runOf(site, 'containerd'), socket: socketOf(site), networks }),
  )
  await ensureDaemon({
    group: site,
    name: 'containerd',
    command: [...entryTo(site), 'containerd', '-c', configuration],
  })
  await untilContainerdAnswers(socketOf(site), signal)
}

export async function untilContainerdAnswers(socket: string, signal: AbortSignal): Promise<void> {
  await until('containerd answers', { deadline: 30_000, every: 100, signal }, async () => {
    if (!existsSync(socket)) return false
    return execute('ctr', ['-a', socket, 'version'], { deadline: 5_000, signal }).then(
      () => true,
      () => false,
    )
  })
}

/**
 * Layers never change once they are committed, so both sites link the same files: a second instead of an import, half
 * the disk, and one page cache. Only the two databases are copied. Where cache and state lie on different file systems,
 * everything is copied.
 */
async function cloneStore(store: string, root: string): Promise<void> {
  if (existsSync(root)) return
  const unfinished = `${root}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await execute('cp', ['-al', store, unfinished], { deadline: 120_000 }).catch(async () => {
    await rm(unfinished, { recursive: true, force: true })
    await execute('cp', ['-a', store, unfinished], { deadline: 300_000 })
  })
  for (const database of [
    'io.containerd.metadata.v1.bolt/meta.db',
    'io.containerd.snapshotter.v1.overlayfs/metadata.db',
  ]) {
    await rm(join(unfinished, database))
    await cp(join(store, database), join(unfinished, database))
  }
  await rename(unfinished, root)
}

function podNetwork(site: SiteName): string {
  const ipam = {
    type: 'host-local',
    dataDir: runOf(site, 'addresses'),
    ranges: [[{ subnet: rangesOf(site).pods }]],
    routes: [{ dst: '0.0.0.0/0' }],
  }
  const pods = { type: 'bridge', bridge: podBridge.name, isGateway: true, ipMasq: true, hairpinMode: true, ipam }
  return JSON.stringify({
    cniVersion: '0.4.0',
    name: 'standby',
    plugins: [pods, { type: 'portmap', capabilities: { portMappings: true } }],
  })
}
