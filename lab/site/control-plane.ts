import { mkdir, readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Binaries } from '../binaries/build.ts'
import { killGroup } from '../cgroup.ts'
import { ensureDaemon, entryTo, logOf } from '../inside.ts'
import { forgetProcess, runningProcess } from '../state.ts'
import { addressOf, rangesOf, type SiteName, stateOf } from '../topology.ts'
import { until } from '../until.ts'
import { pkiOf } from './pki.ts'

/** Starts etcd and the API server and returns when the API server says that it is ready. */
export async function startApiServer(site: SiteName, binaries: Binaries, signal: AbortSignal): Promise<void> {
  await mkdir(stateOf(site, 'etcd'), { recursive: true, mode: 0o700 })
  await start(site, 'etcd', [binaries.etcd, ...etcdFlags(site)])
  await start(site, 'kube-apiserver', [binaries['kube-apiserver'], ...apiServerFlags(site)])
  const hint = async () =>
    (await readFile(logOf(site, 'kube-apiserver'), 'utf8').catch(() => '')).trim().split('\n').slice(-5).join('\n  ')
  await until(`API server of ${site} ready`, { deadline: 120_000, every: 200, signal, hint }, () =>
    isReady(site, signal),
  )
}

/** Starts what makes objects come true; nothing here has to be waited for. */
export async function startControllers(site: SiteName, binaries: Binaries): Promise<void> {
  await start(site, 'kube-controller-manager', [binaries['kube-controller-manager'], ...controllerManagerFlags(site)])
  const schedulerFlags = [`--kubeconfig=${pkiOf(site, 'scheduler.kubeconfig')}`, '--leader-elect=false']
  await start(site, 'kube-scheduler', [binaries['kube-scheduler'], ...schedulerFlags])
}

const UNAVAILABLE = 'unavailable-api'

/** Stands in for the API server of a site whose processes are all dead. */
export async function answerUnavailable(site: SiteName): Promise<void> {
  const certificate = ['--cert', pkiOf(site, 'apiserver.crt'), '--key', pkiOf(site, 'apiserver.key')]
  await start(site, UNAVAILABLE, [
    process.execPath,
    join(import.meta.dirname, 'unavailable-api.ts'),
    ...['--address', addressOf[site], '--port', '6443', ...certificate],
  ])
}

/** Ends what stands in for the API server, and whatever else runs there, so that the site can start. */
export async function endUnavailable(site: SiteName): Promise<void> {
  if (runningProcess(site, UNAVAILABLE) !== undefined) await killGroup(site)
  forgetProcess(site, UNAVAILABLE)
}

async function isReady(site: SiteName, signal: AbortSignal): Promise<boolean> {
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'admin.crt', 'admin.key'].map((file) => readFile(pkiOf(site, file))),
  )
  if (ca === undefined || cert === undefined || key === undefined) return false
  return new Promise((resolve) => {
    const options = { ca, cert, key, agent: false, timeout: 2_000, signal }
    const asked = request(`https://${addressOf[site]}:6443/readyz`, options, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.once('timeout', () => asked.destroy())
    asked.once('error', () => resolve(false))
    asked.end()
  })
}

const etcdFlags = (site: SiteName) => [
  `--name=${site}`,
  `--data-dir=${stateOf(site, 'etcd')}`,
  '--listen-client-urls=http://127.0.0.1:2379',
  '--advertise-client-urls=http://127.0.0.1:2379',
  '--listen-peer-urls=http://127.0.0.1:2380',
  // A lab may be thrown away: a power loss of the machine may lose its last writes.
  '--unsafe-no-fsync',
  '--log-level=warn',
]

function apiServerFlags(site: SiteName): string[] {
  const pki = (file: string) => pkiOf(site, file)
  return [
    '--etcd-servers=http://127.0.0.1:2379',
    `--advertise-address=${addressOf[site]}`,
    '--bind-address=0.0.0.0',
    '--secure-port=6443',
    `--service-cluster-ip-range=${rangesOf(site).services}`,
    `--client-ca-file=${pki('ca.crt')}`,
    `--tls-cert-file=${pki('apiserver.crt')}`,
    `--tls-private-key-file=${pki('apiserver.key')}`,
    `--service-account-key-file=${pki('sa.pub')}`,
    `--service-account-signing-key-file=${pki('sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
    `--kubelet-client-certificate=${pki('kubelet-client.crt')}`,
    `--kubelet-client-key=${pki('kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--requestheader-client-ca-file=${pki('ca.crt')}`,
    '--requestheader-allowed-names=front-proxy',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--enable-aggregator-routing=true',
    '--v=1',
  ]
}

const controllerManagerFlags = (site: SiteName) => [
  `--kubeconfig=${pkiOf(site, 'controller-manager.kubeconfig')}`,
  `--service-account-private-key-file=${pkiOf(site, 'sa.key')}`,
  `--root-ca-file=${pkiOf(site, 'ca.crt')}`,
  '--use-service-account-credentials=true',
  `--cluster-signing-cert-file=${pkiOf(site, 'ca.crt')}`,
  `--cluster-signing-key-file=${pkiOf(site, 'ca.key')}`,
  '--leader-elect=false',
  '--controllers=*,-cloud-node-lifecycle-controller,-service-lb-controller',
  '--allocate-node-cidrs=false',
  `--flex-volume-plugin-dir=${stateOf(site, 'volume-plugins')}`,
]

const start = (site: SiteName, name: string, command: readonly string[]) =>
  ensureDaemon({ group: site, name, command: [...entryTo(site), ...command] })
