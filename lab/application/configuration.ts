import { BootRefused } from './boot-refused.ts'

export type RunMode = 'api' | 'general-workers' | 'secret-scanning'
const runModes: readonly RunMode[] = ['api', 'general-workers', 'secret-scanning']

export interface Configuration {
  readonly port: number
  readonly host: string
  readonly databaseUri: string
  /** PEM of the authority that signs the database's certificate; null trusts what the URI says. */
  readonly databaseRootCertificate: string | null
  readonly redisUrl: string
  readonly environmentKey: Buffer
  /** By slug; Hanzo KMS wraps the data keys of such an organization with its own key. */
  readonly organizationKeys: ReadonlyMap<string, Buffer>
  readonly authSecret: string
  readonly siteUrl: string | null
  readonly runModes: ReadonlySet<RunMode>
  /** Set on a secondary: where mutations are sent to. */
  readonly primaryInstanceUrl: string | null
}

type Environment = Readonly<Record<string, string | undefined>>

/** The configuration of this process from the names of either profile; refuses with every fault at once. */
export function readConfiguration(env: Environment): Configuration {
  const faults: string[] = []
  const read = <T>(value: () => T, fallback: T): T => {
    try {
      return value()
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error))
      return fallback
    }
  }
  const configuration: Configuration = {
    port: Number(env.PORT ?? 8080),
    host: env.HOST ?? '0.0.0.0',
    databaseUri: read(() => required(env, 'DB_CONNECTION_URI'), ''),
    databaseRootCertificate: decoded(env.DB_ROOT_CERT),
    redisUrl: read(() => required(env, 'REDIS_URL'), ''),
    environmentKey: read(() => environmentKeyOf(env), Buffer.alloc(32)),
    organizationKeys: read(() => organizationKeysOf(env.ORG_ENCRYPTION_KEYS), new Map()),
    authSecret: read(() => required(env, 'AUTH_SECRET'), ''),
    siteUrl: given(env.SITE_URL),
    runModes: read(() => runModesOf(env), new Set<RunMode>()),
    primaryInstanceUrl: given(env.INFISICAL_PRIMARY_INSTANCE_URL ?? env.KMS_PRIMARY_INSTANCE_URL),
  }
  if (faults.length > 0)
    throw new BootRefused('configuration-invalid', `Invalid environment variables: ${faults.join('; ')}`)
  return configuration
}

function required(env: Environment, name: string): string {
  const value = given(env[name])
  if (value === null) throw new Error(`${name} is required`)
  return value
}

const given = (value: string | undefined): string | null =>
  value === undefined || value.trim() === '' ? null : value.trim()

const decoded = (base64: string | undefined): string | null => {
  const value = given(base64)
  return value === null ? null : Buffer.from(value, 'base64').toString('utf8')
}

/** As upstream: ENCRYPTION_KEY wins, and its 32 characters are the key itself; ROOT_ENCRYPTION_KEY is base64. */
function environmentKeyOf(env: Environment): Buffer {
  const plain = given(env.ENCRYPTION_KEY)
  if (plain !== null)
    return keyOfLength(Buffer.from(plain, 'utf8'), 'ENCRYPTION_KEY must be 32 characters (openssl rand -hex 16)')
  const root = given(env.ROOT_ENCRYPTION_KEY)
  if (root === null) throw new Error('ENCRYPTION_KEY or ROOT_ENCRYPTION_KEY is required')
  return keyOfLength(
    Buffer.from(root, 'base64'),
    'ROOT_ENCRYPTION_KEY must be 32 bytes in base64 (openssl rand -base64 32)',
  )
}

function keyOfLength(key: Buffer, rule: string): Buffer {
  if (key.length !== 32) throw new Error(rule)
  return key
}

function organizationKeysOf(json: string | undefined): ReadonlyMap<string, Buffer> {
  const text = given(json)
  if (text === null) return new Map()
  const rule = 'ORG_ENCRYPTION_KEYS must be a JSON object of organization slug to 32 bytes in base64'
  const parsed = parseJson(text, rule)
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error(rule)
  return new Map(
    Object.entries(parsed).map(([slug, key]) => [slug, keyOfLength(Buffer.from(String(key), 'base64'), rule)]),
  )
}

function parseJson(text: string, rule: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(rule)
  }
}

/** Newer releases name the modes; older ones only switch the workers off. */
function runModesOf(env: Environment): ReadonlySet<RunMode> {
  const named = given(env.INFISICAL_RUN_MODES)
  if (named === null) {
    const workersOff = env.QUEUE_WORKERS_ENABLED?.toLowerCase() === 'false'
    return new Set<RunMode>(workersOff ? ['api'] : runModes)
  }
  const modes = named.split(',').map((mode) => mode.trim())
  const unknown = modes.filter((mode) => !runModes.some((known) => known === mode))
  if (unknown.length > 0) throw new Error(`INFISICAL_RUN_MODES knows ${runModes.join(', ')}, not ${unknown.join(', ')}`)
  return new Set(runModes.filter((mode) => modes.includes(mode)))
}
