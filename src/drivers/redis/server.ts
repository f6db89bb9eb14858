import type { KubernetesClient, PodReference } from '../../clients/kubernetes-client.ts'
import { siteError } from '../../errors.ts'

/** What a running Redis says of itself. */
export interface ServerFacts {
  readonly version: string
  readonly runId: string
  readonly role: string
  readonly keys: number
  /** Keys that were loaded and have expired since: with `keys` they make up what the dump held. */
  readonly expired: number
  readonly appendOnly: boolean
  readonly loading: boolean
  readonly policy: string
  /** Id of the restore that its volume has loaded; empty before the first. */
  readonly restored: string
  /** Why it began empty although a dump was asked for; empty when it did not. */
  readonly fallback: string
}

/** One call: the password is in the pod's own environment (REDISCLI_AUTH), so none travels. */
export async function askServer(kubernetes: KubernetesClient, pod: PodReference, signal: AbortSignal): Promise<ServerFacts> {
  const script =
    'redis-cli info; echo "dbsize:$(redis-cli dbsize)"; echo "maxmemory-policy:$(redis-cli config get maxmemory-policy | tail -1)"; echo "restored:$(cat /data/.standby-restored 2>/dev/null)"; echo "fallback:$(cat /data/.standby-fallback 2>/dev/null | tr "\\n" " ")"'
  const answer = await kubernetes.exec(pod, ['sh', '-c', script], { signal })
  const fields = Object.fromEntries(
    answer.stdout.split(/\r?\n/).flatMap((line) => {
      const at = line.indexOf(':')
      return at < 1 || line.startsWith('#') ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const]
    }),
  )
  if (fields.redis_version === undefined)
    throw siteError(
      'cache-not-answering',
      `${pod.name} does not answer: ${(answer.stderr || answer.stdout).trim().split('\n').at(-1) ?? ''}`,
      { where: `${kubernetes.site} ${pod.namespace}/Pod/${pod.name}`, retry: 'transient' },
    )
  return {
    version: fields.redis_version,
    runId: fields.run_id ?? '',
    role: fields.role ?? '',
    keys: Number(fields.dbsize ?? Number.NaN),
    expired: Number(fields.expired_keys ?? 0) + Number(fields.rdb_last_load_keys_expired ?? 0),
    appendOnly: fields.aof_enabled === '1',
    loading: fields.loading === '1',
    policy: fields['maxmemory-policy'] ?? '',
    restored: fields.restored ?? '',
    fallback: fields.fallback ?? '',
  }
}
