import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import { kubeconfigOf } from './kubeconfig.ts'
import { needs } from './needs.ts'
import { freePorts, type ServerProcess, startServer } from './server-process.ts'

needs('etcd', 'kube-apiserver')

export interface ApiServer {
  readonly url: string
  readonly caData: string
  readonly pid: number
  /** Kubeconfig text of a user: `admin` may do all, `nobody` nothing, `observer` what a test grants. */
  kubeconfig(user: 'admin' | 'nobody' | 'observer'): string
  /** Starts the controllers that make pods and count quotas; they end with the API server. */
  startControllers(): Promise<void>
  stop(): Promise<void>
}

/**
 * A real etcd and kube-apiserver on free ports: RBAC, validation, watch and conflicts as in production; no nodes, so no
 * pods run.
 */
export async function startApiServer(): Promise<ApiServer> {
  const home = mkdtempSync(join(tmpdir(), 'standby-api-'))
  const [client = 0, peer = 0, port = 0] = await freePorts(3)
  const etcdUrl = `http://127.0.0.1:${client}`
  const etcd = await startServer(
    await binary('etcd'),
    [
      ...['--data-dir', join(home, 'etcd'), '--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
      ...[
        '--listen-peer-urls',
        `http://127.0.0.1:${peer}`,
        '--initial-advertise-peer-urls',
        `http://127.0.0.1:${peer}`,
      ],
      ...['--initial-cluster', `default=http://127.0.0.1:${peer}`, '--unsafe-no-fsync', '--log-level', 'error'],
    ],
    { answers: async () => (await fetch(`${etcdUrl}/health`)).ok },
  )
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(join(home, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }))
  writeFileSync(
    join(home, 'tokens.csv'),
    'admin-token,admin,1,system:masters\nnobody-token,nobody,2\nobserver-token,observer,3\n',
  )
  const url = `https://127.0.0.1:${port}`
  const api = await startServer(
    await binary('kube-apiserver'),
    [
      ...['--etcd-servers', etcdUrl, '--secure-port', String(port), '--bind-address', '127.0.0.1', '--cert-dir', home],
      ...[
        '--authorization-mode',
        'RBAC',
        '--token-auth-file',
        join(home, 'tokens.csv'),
        '--service-cluster-ip-range',
        '10.0.0.0/24',
      ],
      ...['--service-account-issuer', url, '--service-account-key-file', join(home, 'sa.key')],
      ...['--service-account-signing-key-file', join(home, 'sa.key'), '--profiling=false', '--v', '0'],
    ],
    { answers: () => isReady(port), within: 60_000 },
  ).catch(async (error: unknown) => {
    await etcd.stop()
    throw error
  })
  const controllers: ServerProcess[] = []
  const caData = readFileSync(join(home, 'apiserver.crt')).toString('base64')
  return {
    url,
    caData,
    pid: api.pid,
    kubeconfig: (user) => kubeconfigOf({ url, caData, user: `token: ${user}-token` }),
    startControllers: async () => {
      const [secure = 0] = await freePorts(1)
      const config = join(home, 'controllers.yaml')
      writeFileSync(config, kubeconfigOf({ url, caData, user: 'token: admin-token' }))
      const names =
        'serviceaccount-controller,deployment-controller,replicaset-controller,statefulset-controller,job-controller,resourcequota-controller'
      const manager = await startServer(
        await binary('kube-controller-manager'),
        [
          ...[
            '--kubeconfig',
            config,
            '--controllers',
            names,
            '--leader-elect=false',
            '--secure-port',
            String(secure),
            '--cert-dir',
            home,
          ],
          ...['--concurrent-resource-quota-syncs', '2', '--resource-quota-sync-period', '2s'],
        ],
        { answers: async () => true },
      )
      controllers.push(manager)
    },
    stop: async () => {
      await Promise.all(controllers.map((one) => one.stop()))
      await api.stop()
      await etcd.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Ready, and with the namespace that identifies the cluster. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(
      {
        host: '127.0.0.1',
        port,
        path: '/api/v1/namespaces/kube-system',
        headers: { authorization: 'Bearer admin-token' },
        rejectUnauthorized: false,
        agent: false,
        timeout: 2_000,
      },
      (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      },
    )
    asking.once('error', () => resolve(false))
    asking.once('timeout', () => asking.destroy())
    asking.end()
  })
}
