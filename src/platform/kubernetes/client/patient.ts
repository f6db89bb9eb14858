import type { KubernetesClient } from '../../../clients/kubernetes-client.ts'
import type { Clock } from '../../../runtime/clock.ts'
import type { Log } from '../../../runtime/log.ts'
import type { Milliseconds } from '../../../values/duration.ts'
import { patienceOf } from '../../../waiting/deadline.ts'
import { tryUntil } from '../../../waiting/try-until.ts'

export interface KubernetesPatience {
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  /** How long each call may be tried. */
  readonly patience: Milliseconds
}

/**
 * A client whose questions, applied objects and removals outlast what is transient: for work that is no sequence of
 * steps, such as a restore test. `create` and `patch` are tried once, for their answer may be lost after they were
 * done; so are watches, which mend themselves.
 */
export function patientKubernetes(
  client: KubernetesClient,
  { clock, log, signal, patience }: KubernetesPatience,
): KubernetesClient {
  const patiently = <T>(what: string, call: () => Promise<T>): Promise<T> => {
    const waiting = (why: string): void => log.info(`${client.site}: ${what}: ${why}`)
    return tryUntil(call, { what, where: client.site, clock, signal, deadline: patienceOf(patience, clock), waiting })
  }
  return {
    ...client,
    clusterId: () => patiently('its identity', () => client.clusterId()),
    get: (ref, options) => patiently(`${ref.kind} ${ref.name}`, () => client.get(ref, options)),
    list: (kind, query, options) => patiently(`all of ${kind.plural}`, () => client.list(kind, query, options)),
    apply: (object, options) =>
      patiently(`${object.kind} ${object.metadata.name}`, () => client.apply(object, options)),
    remove: (ref, options) => patiently(`removing ${ref.kind} ${ref.name}`, () => client.remove(ref, options)),
    logs: (pod, options) => patiently(`log of ${pod.name}`, () => client.logs(pod, options)),
    request: (method, path, body, options) =>
      method === 'GET'
        ? patiently(path, () => client.request(method, path, body, options))
        : client.request(method, path, body, options),
  }
}
