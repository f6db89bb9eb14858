import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AccessKeys } from '../../src/clients/access-keys.ts'
import type { ObjectStorePlace } from '../../src/clients/object-store.ts'
import { fetchTrusting } from '../../src/clients/trusting-fetch.ts'
import { binary } from './binaries.ts'
import { selfSigned } from './certificate.ts'
import { needs } from './needs.ts'
import { freePorts, startServer } from './server-process.ts'

needs('versitygw')

export interface ObjectStoreServer {
  readonly endpoint: string
  readonly pid: number
  /** Of `tls`: the PEM file with its authority. */
  readonly authoritiesFile: string | null
  /** Root access to a place in the bucket `bucket`. */
  access(prefix?: string): ObjectStorePlace & AccessKeys
  /** Access of a user of its own, who may do nothing yet. */
  readonly stranger: Pick<AccessKeys, 'accessKeyId' | 'secretAccessKey'>
  stop(): Promise<void>
}

/**
 * A real S3 server (versitygw) with one empty, versioned bucket, in a temporary folder and on a free port; about 100
 * ms. `tls`: with a certificate that only its own authority vouches for. `accounts`: users who may do nothing that a
 * bucket policy does not allow; each secret is the name and `-secret`.
 */
export async function startObjectStore({
  accounts = [],
  secret = 'root-secret',
  tls = false,
  alsoAt = [],
  address = '127.0.0.1',
}: {
  readonly accounts?: readonly string[]
  readonly secret?: string
  readonly tls?: boolean
  /** Further addresses and names for which its certificate holds. */
  readonly alsoAt?: readonly string[]
  /** Where it listens. */
  readonly address?: string
} = {}): Promise<ObjectStoreServer> {
  const home = mkdtempSync(join(tmpdir(), 'standby-s3-'))
  const folder = (name: string): string => {
    mkdirSync(join(home, name), { recursive: true })
    return join(home, name)
  }
  folder('data/bucket')
  const [port = 0] = await freePorts(1)
  const endpoint = `${tls ? 'https' : 'http'}://${address}:${port}`
  const certificate = tls ? selfSigned(...alsoAt) : null
  const file = (name: string, text: string): string => {
    writeFileSync(join(home, name), text)
    return join(home, name)
  }
  const authoritiesFile = certificate === null ? null : file('authorities.pem', certificate.cert)
  const authorities = certificate === null ? {} : { authorities: certificate.cert }
  const command = await binary('versitygw')
  const root = { accessKeyId: 'root', secretAccessKey: secret }
  const stranger = { accessKeyId: 'stranger', secretAccessKey: 'stranger-secret' }
  const entries = accounts.map((name) => [
    name,
    { access: name, secret: `${name}-secret`, role: 'user', userID: 0, groupID: 0, projectID: 0 },
  ])
  writeFileSync(join(folder('iam'), 'users.json'), JSON.stringify({ accessAccounts: Object.fromEntries(entries) }))
  const server = await startServer(
    command,
    [
      ...[
        '--port',
        `${address}:${port}`,
        '--access',
        root.accessKeyId,
        '--secret',
        root.secretAccessKey,
        '--region',
        'us-east-1',
      ],
      ...(certificate === null
        ? []
        : ['--cert', file('cert.pem', certificate.cert), '--key', file('key.pem', certificate.key)]),
      ...[
        '--iam-dir',
        folder('iam'),
        '--quiet',
        '--keep-alive',
        'posix',
        '--versioning-dir',
        folder('versions'),
        folder('data'),
      ],
    ],
    { answers: async () => (await asked(endpoint, certificate?.cert)).status > 0 },
  )
  return {
    endpoint,
    pid: server.pid,
    authoritiesFile,
    access: (prefix = '') => ({ endpoint, region: 'us-east-1', bucket: 'bucket', prefix, ...root, ...authorities }),
    stranger,
    stop: async () => {
      await server.stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

const asked = (endpoint: string, authorities: string | undefined): Promise<Response> =>
  authorities === undefined
    ? fetch(endpoint)
    : fetchTrusting(authorities, new URL(endpoint), {
        method: 'GET',
        headers: new Headers(),
        signal: AbortSignal.timeout(2_000),
      })
