import { writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { SiteName } from '../../src/domain/stack.ts'
import { openKubernetes } from '../../src/platform/kubernetes/client/open.ts'
import type { ApiServer } from './api-server.ts'
import { kubeconfigOf } from './kubeconfig.ts'
import type { ObjectStoreServer } from './object-store.ts'
import { temporaryFolder } from './temporary-folder.ts'

export interface SmallStack {
  readonly path: string
  readonly folder: string
  /** What the stack file's references need. */
  readonly env: Readonly<Record<string, string>>
  /** Values of `env` that nobody may ever see. */
  readonly secrets: readonly string[]
}

/** A stack file of two sites with one object store each, on the servers that a test has: small, and complete. */
export function smallStack(of: {
  readonly kubernetes: Readonly<Record<'dc-a' | 'dc-b', string>>
  readonly clusterIds?: Readonly<Record<'dc-a' | 'dc-b', string>>
  readonly storage: string
  /** Where the witness is asked, in place of `storage`. */
  readonly witness?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly github?: boolean
  /** The part `approval`, in place of the one with the environment. */
  readonly approval?: string
}): SmallStack {
  const folder = temporaryFolder()
  const path = join(folder, 'standby.yaml')
  const site = (name: 'dc-a' | 'dc-b', env: string): string =>
    `  ${name}: { kubernetes: { kubeconfig: { env: ${env} }, clusterId: ${of.clusterIds?.[name] ?? '00000000-0000-0000-0000-000000000001'} } }`
  const keys = '{ accessKeyId: { env: STORE_KEY }, secretAccessKey: { env: STORE_SECRET } }'
  const store = (prefix: string): string =>
    `{ endpoint: "${of.storage}", region: us-east-1, bucket: bucket, prefix: ${prefix}/, credentials: ${keys} }`
  writeFileSync(
    path,
    `standby: 1
name: small
sites:
${site('dc-a', 'KUBECONFIG_DC_A')}
${site('dc-b', 'KUBECONFIG_DC_B')}
initialActive: dc-a
witness: { driver: s3, endpoint: "${of.witness ?? of.storage}", region: us-east-1, bucket: bucket, prefix: witness/, credentials: ${keys} }
${of.github === false ? '' : `approval: ${of.approval ?? '{ github: { environment: production-failover, branch: main }, expiry: 2h }'}`}
components:
  archive:
    driver: s3
    sites:
      dc-a: ${store('a')}
      dc-b: ${store('b')}
`,
  )
  const secret = of.secretAccessKey ?? 'the-secret-access-key'
  return {
    path,
    folder,
    env: {
      KUBECONFIG_DC_A: of.kubernetes['dc-a'],
      KUBECONFIG_DC_B: of.kubernetes['dc-b'],
      STORE_KEY: of.accessKeyId ?? 'key',
      STORE_SECRET: secret,
    },
    secrets: [secret, 'a-token-of-the-test'],
  }
}

/** A small stack on one API server that plays both sites, and one object store that is archive and witness. */
export async function smallStackOn(
  api: ApiServer,
  store: ObjectStoreServer,
  more: { readonly witness?: string } = {},
): Promise<SmallStack> {
  const kubeconfig = api.kubeconfig('admin')
  const id = await clusterIdOf(api)
  return smallStack({
    kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig },
    clusterIds: { 'dc-a': id, 'dc-b': id },
    storage: store.endpoint,
    ...store.access(),
    github: false,
    ...more,
  })
}

export const clusterIdOf = (api: ApiServer): Promise<string> =>
  openKubernetes({
    site: 'dc-a' as SiteName,
    kubeconfig: api.kubeconfig('admin'),
    context: undefined,
    signal: AbortSignal.timeout(10_000),
  }).clusterId()

export interface BlackHole {
  readonly port: number
  /** Resolves as soon as somebody has connected. */
  readonly touched: Promise<void>
  stop(): Promise<void>
}

/**
 * A server that takes connections and never says a word: what a firewall that drops packets looks like after the
 * handshake.
 */
export async function blackHole(): Promise<BlackHole> {
  const sockets = new Set<Socket>()
  const touched = Promise.withResolvers<void>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    touched.resolve()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { readonly port: number }).port,
    touched: touched.promise,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Kubernetes and storage that are both black holes. */
export const silentStack = (hole: BlackHole, more: { readonly github?: boolean } = {}): SmallStack => {
  const kubeconfig = kubeconfigOf({ url: `https://127.0.0.1:${hole.port}`, user: 'token: a-token-of-the-test' })
  return smallStack({
    kubernetes: { 'dc-a': kubeconfig, 'dc-b': kubeconfig },
    storage: `http://127.0.0.1:${hole.port}`,
    ...more,
  })
}

/** A plan file of this shape, and nothing behind it: whoever executes it must refuse. */
export const planText = (more: object = {}): string =>
  JSON.stringify({
    schemaVersion: 1,
    id: 'made-by-hand',
    stack: { name: 'small', digest: '0'.repeat(64) },
    tool: { name: 'standby', version: '0.1.0' },
    intent: { mode: 'switchover', from: 'dc-a', to: 'dc-b' },
    epoch: 1,
    madeAt: '2026-11-21T05:00:00.000Z',
    expiresAt: '2099-01-01T00:00:00.000Z',
    nonce: 'n'.repeat(32),
    facts: [],
    findings: [],
    steps: [],
    fencing: { required: null, planned: [] },
    liveness: { site: 'dc-a', is: 'up', sightings: [] },
    predictions: {
      duration: 0,
      writeGap: 0,
      learned: { runs: 0, steps: 0 },
      loss: { bytes: [0, 0], seconds: [0, 0], why: '' },
    },
    ...more,
  })
