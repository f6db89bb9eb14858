import type { Milliseconds } from '../values/duration.ts'
import type { Contact } from './patience.ts'

/**
 * A thin wire client of one cluster. Implemented in `kubernetes.ts`, the only module that imports a Kubernetes library.
 */
export interface KubernetesClient {
  readonly site: string
  /** What the connections to it have met so far. */
  readonly contact?: Contact
  /**
   * Logs in, where a credential program does that; throws `login-failed`. Not a part of the time that a site has to
   * answer.
   */
  signIn?(): Promise<void>
  /**
   * A kubeconfig for a program that talks to the same cluster as the same identity, and needs no file and no program
   * beside it.
   */
  kubeconfig?(): Promise<string>
  /** UID of the namespace kube-system. */
  clusterId(): Promise<string>
  version(): Promise<string>
  /** null when it does not exist. */
  get(ref: ObjectReference, options?: CallOptions): Promise<KubernetesObject | null>
  list(kind: ResourceKind, query?: ListQuery, options?: CallOptions): Promise<KubernetesObject[]>
  create(object: KubernetesObject, options?: CallOptions): Promise<KubernetesObject>
  /** Server-side apply with our field manager; `dryRun` answers with what the server would store. */
  apply(
    object: KubernetesObject,
    options?: CallOptions & { readonly force?: boolean; readonly dryRun?: boolean; readonly fieldManager?: string },
  ): Promise<KubernetesObject>
  /** JSON merge patch; with `resourceVersion`, a compare-and-set that fails with `kubernetes-conflict`. */
  patch(
    ref: ObjectReference,
    patch: object,
    options?: CallOptions & { readonly resourceVersion?: string; readonly subresource?: 'status' | 'scale' },
  ): Promise<KubernetesObject>
  /**
   * True when there was something to delete. With `uid`, only that very object: `kubernetes-conflict` when another one
   * has its name by now. `gracePeriod`, in whole seconds: how long the processes of a pod may take to end instead of
   * the time that the pod declares.
   */
  remove(
    ref: ObjectReference,
    options?: CallOptions & {
      readonly propagation?: 'Foreground' | 'Background' | 'Orphan'
      readonly uid?: string
      readonly gracePeriod?: Milliseconds
    },
  ): Promise<boolean>
  /**
   * Yields the object at each change, starting with what is there; null when it is deleted. Reconnects until the signal
   * is aborted.
   */
  watch(ref: ObjectReference, signal: AbortSignal): AsyncIterable<KubernetesObject | null>
  /**
   * Yields whenever one of the selected objects comes, changes or goes, and once at the begin. Reconnects until the
   * signal is aborted.
   */
  watchAll(
    kind: ResourceKind,
    selected: { readonly namespace: string; readonly labelSelector: string },
    signal: AbortSignal,
  ): AsyncIterable<unknown>
  exec(
    pod: PodReference,
    argv: readonly string[],
    options?: CallOptions & { readonly stdin?: string },
  ): Promise<ExecResult>
  logs(
    pod: PodReference,
    options?: CallOptions & { readonly tailLines?: number; readonly previous?: boolean },
  ): Promise<string>
  /** GET through the API server's pod proxy: `/api/v1/namespaces/N/pods/https:POD:8000/proxy/pg/status`. */
  proxyGet(target: ProxyTarget, options?: CallOptions): Promise<{ readonly status: number; readonly body: string }>
  /** The same with a POST of JSON. The API server keeps an Authorization header to itself. */
  proxyPost(
    target: ProxyTarget,
    body: object,
    options?: CallOptions,
  ): Promise<{ readonly status: number; readonly body: string }>
  /** Any request, for what has no better method (TokenRequest, access reviews). */
  request(method: string, path: string, body?: object, options?: CallOptions): Promise<unknown>
}

/** A port of a pod. */
export interface ProxyTarget {
  readonly namespace: string
  readonly pod: string
  readonly scheme: 'http' | 'https'
  readonly port: number
  readonly path: string
}

/** Every call has a deadline (default 10 s) and ends when the signal is aborted. */
export interface CallOptions {
  readonly deadline?: Milliseconds
  readonly signal?: AbortSignal
}

export interface ResourceKind {
  /** `v1`, `postgresql.cnpg.io/v1` */
  readonly apiVersion: string
  readonly kind: string
  /** Plural, lower case, as in the URL. */
  readonly plural: string
}
export interface ObjectReference extends ResourceKind {
  /** null for cluster-scoped kinds. */
  readonly namespace: string | null
  readonly name: string
}
export interface ListQuery {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}
export interface PodReference {
  readonly namespace: string
  readonly name: string
  readonly container: string
}
export interface ExecResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ObjectMetadata
  readonly [field: string]: unknown
}
export interface ObjectMetadata {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly { readonly kind: string; readonly name: string; readonly uid: string }[]
  readonly [field: string]: unknown
}
