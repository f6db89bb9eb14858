import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { AwsClient } from 'aws4fetch'
import type { Binaries } from '../binaries/build.ts'
import { ensureDaemon, entryTo } from '../inside.ts'
import { accepts } from '../network/accepts.ts'
import { certificates } from '../private-store.ts'
import { addressOf, s3Port, stateOf } from '../topology.ts'
import { until } from '../until.ts'
import { type AccountName, accountNames, bucketNames, policyOf } from './s3-policies.ts'

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface S3Keys {
  readonly root: AccessKey
  readonly accounts: Readonly<Record<AccountName, AccessKey>>
}

export const s3Endpoint = `http://${addressOf.s3}:${s3Port}`
export const s3Region = 'us-east-1'

/** Starts the object store of the wide area network with its accounts, versioned buckets and policies. */
export async function startS3(binaries: Pick<Binaries, 'versitygw'>, signal: AbortSignal): Promise<S3Keys> {
  const keys = await ensureKeys()
  for (const directory of Object.values(directories)) await mkdir(directory, { recursive: true, mode: 0o700 })
  await writeAccounts(directories.accounts, keys)
  await startServer('versitygw', binaries.versitygw, keys, ['--port', `${addressOf.s3}:${s3Port}`])
  const client = new AwsClient({ ...keys.root, service: 's3', region: s3Region, retries: 0 })
  await until('S3 answers', { deadline: 20_000, every: 100, signal }, () => answers(client))
  await Promise.all(bucketNames.map((bucket) => provideBucket(client, bucket)))
  return keys
}

const directories = {
  data: stateOf('s3', 'data'),
  versions: stateOf('s3', 'versions'),
  accounts: stateOf('s3', 'accounts'),
}

/**
 * Without its cache of accounts: it keeps their names in memory that a later request overwrites, and then takes the
 * secret of one account for that of another one with a name as long, for two minutes (1.8.0, auth/iam_cache.go).
 */
const ACCOUNTS = ['--iam-dir', directories.accounts, '--iam-cache-disable']

async function startServer(name: string, program: string, { root }: S3Keys, listen: readonly string[]): Promise<void> {
  const common = ['--region', s3Region, '--keep-alive', '--quiet', ...ACCOUNTS]
  const store = ['posix', '--versioning-dir', directories.versions, directories.data]
  const env = { ROOT_ACCESS_KEY: root.accessKeyId, ROOT_SECRET_KEY: root.secretAccessKey }
  await ensureDaemon({ group: 's3', name, command: [...entryTo('s3'), program, ...listen, ...common, ...store], env })
}

/** The same store by TLS, for programs that speak nothing else (pgBackRest). */
export interface SecureS3 {
  /** By its address: the computer of the lab does not know the name. */
  readonly endpoint: string
  /** A name that machines of the lab know. */
  readonly host: string
  readonly port: number
  /** Path of the certificate of the authority that signed the store's. */
  readonly authority: string
}
const securePort = 9443
const secureS3: SecureS3 = {
  endpoint: `https://${addressOf.s3}:${securePort}`,
  host: 's3',
  port: securePort,
  authority: stateOf('s3', 'tls', 'authority.pem'),
}

/** Serves the store of `startS3`, which runs, by TLS too. */
export async function startSecureS3(binaries: Pick<Binaries, 'versitygw'>, signal: AbortSignal): Promise<SecureS3> {
  const at = (file: string) => stateOf('s3', 'tls', file)
  if (!existsSync(secureS3.authority)) {
    await mkdir(stateOf('s3', 'tls'), { recursive: true, mode: 0o700 })
    // The address as a name too: pgBackRest 2.45 compares an address with the names of a certificate alone.
    const made = await certificates(`DNS:${secureS3.host}`, `DNS:${addressOf.s3}`, `IP:${addressOf.s3}`)
    await writeFile(at('key.pem'), made.key, { mode: 0o600 })
    await writeFile(at('certificate.pem'), made.cert)
    await writeFile(secureS3.authority, made.authorities)
  }
  const tls = ['--cert', at('certificate.pem'), '--key', at('key.pem')]
  const port = ['--port', `${addressOf.s3}:${secureS3.port}`]
  await startServer('versitygw-tls', binaries.versitygw, await ensureKeys(), [...port, ...tls])
  await until('S3 answers by TLS', { deadline: 20_000, every: 100, signal }, () => accepts('s3', secureS3.port))
  return secureS3
}

/** The keys of a running lab; written once, readable by root alone. */
export async function ensureKeys(): Promise<S3Keys> {
  const path = stateOf('s3', 'keys.json')
  if (existsSync(path)) return JSON.parse(await readFile(path, 'utf8'))
  const newKey = (name: string): AccessKey => ({ accessKeyId: name, secretAccessKey: randomBytes(20).toString('hex') })
  const accounts = Object.fromEntries(accountNames.map((name) => [name, newKey(name)])) as Record<
    AccountName,
    AccessKey
  >
  const keys: S3Keys = { root: newKey('lab-root'), accounts }
  await mkdir(stateOf('s3'), { recursive: true })
  await writeFile(path, JSON.stringify(keys, null, 2), { mode: 0o600 })
  return keys
}

/** versitygw's own account file; role `user` may do nothing that a bucket policy does not allow. */
async function writeAccounts(directory: string, keys: S3Keys): Promise<void> {
  const entries = Object.values(keys.accounts).map(({ accessKeyId, secretAccessKey }) => [
    accessKeyId,
    { access: accessKeyId, secret: secretAccessKey, role: 'user', userID: 0, groupID: 0, projectID: 0 },
  ])
  await writeFile(`${directory}/users.json`, JSON.stringify({ accessAccounts: Object.fromEntries(entries) }), {
    mode: 0o600,
  })
}

async function provideBucket(client: AwsClient, bucket: (typeof bucketNames)[number]): Promise<void> {
  await put(client, `/${bucket}`, undefined, [200, 409])
  await put(
    client,
    `/${bucket}?versioning`,
    '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
  )
  await put(client, `/${bucket}?policy`, JSON.stringify(policyOf(bucket)), [200, 204])
}

async function put(client: AwsClient, path: string, body?: string, accepted: readonly number[] = [200]): Promise<void> {
  const response = await client.fetch(`${s3Endpoint}${path}`, {
    method: 'PUT',
    signal: AbortSignal.timeout(10_000),
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  if (!accepted.includes(response.status))
    throw new Error(`lab-s3-failed: PUT ${path}: ${response.status} ${text.slice(0, 300)}`)
}

async function answers(client: AwsClient): Promise<boolean> {
  try {
    return (await client.fetch(`${s3Endpoint}/`, { signal: AbortSignal.timeout(2_000) })).ok
  } catch {
    return false
  }
}
