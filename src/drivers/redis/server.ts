import type { KubernetesClient, PodReference } from '../../clients/kubernetes-client.ts'
import type { LoadedKeys } from '../../systems/redis/count-keys.ts'
import { codes } from './codes.ts'
import { FACTS } from './scripts.ts'

/** What a running Redis reports of itself. */
export interface ServerFacts extends LoadedKeys {
  readonly version: string
  readonly runId: string
  readonly role: string
  readonly appendOnly: boolean
  readonly loading: boolean
  readonly policy: string
  /** Id of the restore that its volume has loaded; empty before the first. */
  readonly restored: string
  /** Why it began empty although a dump was requested; empty when it did not. */
  readonly fallback: string
}

/** One call: the password is in the pod's own environment (REDISCLI_AUTH), so none travels. */
export async function askServer(
  kubernetes: KubernetesClient,
  pod: PodReference,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const answer = await kubernetes.exec(pod, ['sh', '-c', FACTS], { signal })
  const fields = Object.fromEntries(
    answer.stdout.split(/\r?\n/).flatMap((line) => {
      const at = line.indexOf(':')
      return at < 1 || line.startsWith('#') ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const]
    }),
  )
  if (fields.redis_version === undefined)
    throw codes.error(
      'cache-not-answering',
      `${pod.name} does not answer: ${(answer.stderr || answer.stdout).trim().split('\n').at(-1) ?? ''}`,
      { where: `${kubernetes.site} ${pod.namespace}/Pod/${pod.name}`, retry: 'transient' },
    )
  const databases = keysByDatabase(fields)
  return {
    version: fields.redis_version,
    runId: fields.run_id ?? '',
    role: fields.role ?? '',
    keys: Object.values(databases).reduce((sum, count) => sum + count, 0),
    databases,
    libraries: Number(fields.number_of_libraries ?? 0),
    expired: Number(fields.expired_keys ?? 0) + Number(fields.rdb_last_load_keys_expired ?? 0),
    appendOnly: fields.aof_enabled === '1',
    loading: fields.loading === '1',
    policy: fields['maxmemory-policy'] ?? '',
    restored: fields.restored ?? '',
    fallback: fields.fallback ?? '',
  }
}

/** `db1` of the section Keyspace says `keys=20,expires=3,avg_ttl=0`; a logical database without keys is not named. */
const keysByDatabase = (fields: Readonly<Record<string, string>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => {
      const [database, keys] = [/^db(\d+)$/.exec(name)?.[1], /^keys=(\d+)/.exec(value)?.[1]]
      return database === undefined || keys === undefined ? [] : [[database, Number(keys)]]
    }),
  )
