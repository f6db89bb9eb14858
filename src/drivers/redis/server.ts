import type { KubernetesClient, PodReference } from '../../clients/kubernetes-client.ts'
import type { LoadedKeys } from '../../systems/redis/count-keys.ts'
import { loadedKeysIn } from '../../systems/redis/loaded-keys.ts'
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
  return {
    ...loadedKeysIn(new Map(Object.entries(fields))),
    version: fields.redis_version,
    runId: fields.run_id ?? '',
    role: fields.role ?? '',
    appendOnly: fields.aof_enabled === '1',
    loading: fields.loading === '1',
    policy: fields['maxmemory-policy'] ?? '',
    restored: fields.restored ?? '',
    fallback: fields.fallback ?? '',
  }
}
