import type {
  CallOptions,
  KubernetesClient,
  KubernetesObject,
  ObjectReference,
  ResourceKind,
} from '../../../clients/kubernetes-client.ts'
import { overWay } from '../../../clients/patience.ts'
import { withinDeadline } from '../../../clients/within-deadline.ts'
import { type StandbyError, timeoutError } from '../../../errors/standby-error.ts'
import { type Milliseconds, readableDuration, seconds } from '../../../values/duration.ts'
import { isObject } from '../../../values/json.ts'
import { kindsServedBy } from './discovery.ts'
import { type Asked, notAnApiServer, refusal, statusIn } from './errors.ts'
import { execOverWebSocket } from './exec.ts'
import { exchange, type HttpAnswer, type HttpRequest, keptAliveAgent, type Link } from './http.ts'
import { type KubernetesAccess, linkOf } from './link.ts'
import {
  collectionPath,
  objectPath,
  podPath,
  proxyPath,
  resourceRequestOf,
  selectors,
  whereOf,
  withQuery,
} from './paths.ts'
import { type Watched, watchAll, watchObject } from './watch.ts'

const DEADLINE: Milliseconds = seconds(10)
/** Of all pages of a list together, where the caller names no other. */
const LIST_DEADLINE: Milliseconds = seconds(60)
const FIELD_MANAGER = 'standby'
const PAGE = '500'
const MERGE_PATCH = 'application/merge-patch+json'
/** JSON is YAML; this name of the type is understood by every server that knows server-side apply. */
const APPLY_PATCH = 'application/apply-patch+yaml'

/** A client of one cluster. Contacts nothing yet; throws `kubeconfig-invalid` when the kubeconfig cannot be used. */
export function openKubernetes(access: KubernetesAccess): KubernetesClient {
  const { site } = access
  const link = linkOf(access)
  const watchLink: Link = { ...link, agent: keptAliveAgent(link.server, Number.POSITIVE_INFINITY) }
  let clusterId: string | null = null

  const asked = (request: HttpRequest, kind?: string): Asked => ({
    site,
    request: resourceRequestOf(request.method, request.path),
    kind,
  })

  const bounded = <T>(
    options: CallOptions | undefined,
    work: (signal: AbortSignal) => Promise<T>,
    late: (deadline: Milliseconds) => Error,
  ): Promise<T> => {
    const deadline = options?.deadline ?? DEADLINE
    return withinDeadline(() => overWay(link.contact, deadline), [access.signal, options?.signal], work, late)
  }

  const ask = (request: HttpRequest, options?: CallOptions): Promise<HttpAnswer> =>
    bounded(
      options,
      (signal) => exchange(link, request, signal),
      (deadline) =>
        link.unreachable(
          `no answer to ${request.method} ${request.path.split('?')[0]} within ${readableDuration(deadline)}`,
          'no-answer',
        ),
    )

  /** The answer's JSON; null for a status that the caller expects. */
  const json = async (
    request: HttpRequest,
    options?: CallOptions,
    kind?: string,
    expected?: number,
  ): Promise<unknown> => {
    const answer = await ask(request, options)
    if (answer.status === expected) return null
    if (answer.status >= 200 && answer.status < 300)
      return answer.body === '' ? null : parsed(answer, asked(request, kind))
    throw refusal(asked(request, kind), answer.status, answer.body, answer.retryAfter)
  }
  const get = (path: string, options?: CallOptions): Promise<unknown> => json({ method: 'GET', path }, options)
  const proxied = async (request: HttpRequest, options?: CallOptions): Promise<{ status: number; body: string }> => {
    const answer = await ask(request, options)
    const refusedByApi = (answer.status === 401 || answer.status === 403) && statusIn(answer.body) !== null
    if (refusedByApi) throw refusal(asked(request), answer.status, answer.body)
    return { status: answer.status, body: answer.body }
  }
  const pluralOf = kindsServedBy(site, get)
  const referenceTo = async (object: KubernetesObject, options?: CallOptions): Promise<ObjectReference> => ({
    apiVersion: object.apiVersion,
    kind: object.kind,
    plural: await pluralOf(object.apiVersion, object.kind, options),
    namespace: object.metadata.namespace ?? null,
    name: object.metadata.name,
  })
  const watched = (
    kind: ResourceKind,
    namespace: string | null | undefined,
    selected: Watched['selected'],
  ): Watched => ({
    path: collectionPath(kind, namespace),
    selected,
    link: watchLink,
    get: (path, ending) => ask({ method: 'GET', path }, { signal: ending }),
    refused: (path, answer) =>
      refusal(asked({ method: 'GET', path }, kind.kind), answer.status, answer.body, answer.retryAfter),
  })

  return {
    site,

    contact: link.contact,
    signIn: link.signIn,
    kubeconfig: link.kubeconfig,

    async clusterId() {
      if (clusterId !== null) return clusterId
      const namespace = await get('/api/v1/namespaces/kube-system')
      const uid = isObject(namespace) && isObject(namespace.metadata) ? namespace.metadata.uid : undefined
      if (typeof uid !== 'string' || uid === '')
        throw notAnApiServer(site, link.server.href, 'what it calls kube-system has no UID')
      clusterId = uid
      return clusterId
    },

    async version() {
      const version = await get('/version')
      if (isObject(version) && typeof version.gitVersion === 'string') return version.gitVersion
      throw notAnApiServer(site, link.server.href, 'it names no version of Kubernetes')
    },

    async get(ref, options) {
      return (await json({ method: 'GET', path: objectPath(ref) }, options, ref.kind, 404)) as KubernetesObject | null
    },

    async list(kind, query = {}, options) {
      const begun = performance.now()
      const whole = options?.deadline ?? LIST_DEADLINE
      const objects: KubernetesObject[] = []
      let next: string | undefined
      do {
        // One deadline over all pages: a server that always has one more page holds up no caller.
        const left = Math.max(1, whole - (performance.now() - begun))
        const path = withQuery(collectionPath(kind, query.namespace), {
          ...selectors(query),
          limit: PAGE,
          continue: next,
        })
        const bounds = { ...options, deadline: Math.min(left, options?.deadline ?? DEADLINE) }
        const page = await json({ method: 'GET', path }, bounds, kind.kind)
        if (!isList(page))
          throw notAnApiServer(site, link.server.href, `what it calls a list of ${kind.plural} is none`)
        // Items of a list do not say what they are.
        for (const item of page.items) objects.push({ ...item, apiVersion: kind.apiVersion, kind: kind.kind })
        next = page.metadata.continue === '' ? undefined : page.metadata.continue
      } while (next !== undefined)
      return objects
    },

    async create(object, options) {
      const ref = await referenceTo(object, options)
      const path = withQuery(collectionPath(ref, ref.namespace), { fieldManager: FIELD_MANAGER })
      return (await json({ method: 'POST', path, body: JSON.stringify(object) }, options, ref.kind)) as KubernetesObject
    },

    async apply(object, options = {}) {
      const ref = await referenceTo(object, options)
      const path = withQuery(objectPath(ref), {
        fieldManager: options.fieldManager ?? FIELD_MANAGER,
        force: options.force === true ? 'true' : undefined,
        dryRun: options.dryRun === true ? 'All' : undefined,
      })
      const request: HttpRequest = { method: 'PATCH', path, body: JSON.stringify(object), contentType: APPLY_PATCH }
      return (await json(request, options, ref.kind)) as KubernetesObject
    },

    async patch(ref, patch, options = {}) {
      const path = withQuery(objectPath(ref, options.subresource), { fieldManager: FIELD_MANAGER })
      const body = options.resourceVersion === undefined ? patch : atVersion(patch, options.resourceVersion)
      const request: HttpRequest = { method: 'PATCH', path, body: JSON.stringify(body), contentType: MERGE_PATCH }
      return (await json(request, options, ref.kind)) as KubernetesObject
    },

    async remove(ref, options = {}) {
      const propagationPolicy = options.propagation ?? 'Background'
      const only = options.uid === undefined ? {} : { preconditions: { uid: options.uid } }
      const grace =
        options.gracePeriod === undefined ? {} : { gracePeriodSeconds: Math.ceil(options.gracePeriod / 1_000) }
      const body = JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, ...only, ...grace })
      const request: HttpRequest = { method: 'DELETE', path: objectPath(ref), body, contentType: 'application/json' }
      return (await json(request, options, ref.kind, 404)) !== null
    },

    watch: (ref, signal) =>
      watchObject(
        watched(ref, ref.namespace, { fieldSelector: `metadata.name=${ref.name}` }),
        ref,
        AbortSignal.any([signal, access.signal]),
      ),

    watchAll: (kind, { namespace, labelSelector }, signal) =>
      watchAll(watched(kind, namespace, { labelSelector }), AbortSignal.any([signal, access.signal])),

    exec(pod, argv, options = {}) {
      const path = withQuery(podPath(pod.namespace, pod.name, 'exec'), {
        container: pod.container,
        command: argv,
        stdout: 'true',
        stderr: 'true',
        stdin: options.stdin === undefined ? undefined : 'true',
      })
      const asking = asked({ method: 'GET', path })
      const where = whereOf(site, asking.request, 'Pod')
      const refused = ({ status, body, retryAfter }: HttpAnswer): StandbyError =>
        refusal({ ...asking, kind: 'Pod' }, status, body, retryAfter)
      return bounded(
        options,
        (signal) => execOverWebSocket(link, { path, stdin: options.stdin, refused, where }, signal),
        (deadline) =>
          timeoutError(
            'kubernetes-timeout',
            `${argv[0]} in ${pod.container} did not end within ${readableDuration(deadline)}; it may go on`,
            { where, retry: 'transient' },
          ),
      )
    },

    async logs(pod, options = {}) {
      const path = withQuery(podPath(pod.namespace, pod.name, 'log'), {
        container: pod.container,
        tailLines: options.tailLines === undefined ? undefined : String(options.tailLines),
        previous: options.previous === true ? 'true' : undefined,
      })
      const answer = await ask({ method: 'GET', path }, options)
      if (answer.status !== 200)
        throw refusal(asked({ method: 'GET', path }, 'Pod'), answer.status, answer.body, answer.retryAfter)
      return answer.body
    },

    proxyGet: (target, options) => proxied({ method: 'GET', path: proxyPath(target), once: true }, options),
    proxyPost: (target, body, options) =>
      proxied(
        { method: 'POST', path: proxyPath(target), body: JSON.stringify(body), contentType: 'application/json' },
        options,
      ),

    request(method, path, body, options) {
      const contentType = method === 'PATCH' ? MERGE_PATCH : 'application/json'
      return json({ method, path, ...(body === undefined ? {} : { body: JSON.stringify(body), contentType }) }, options)
    },
  }
}

/** The JSON of an answer. Throws `not-an-api-server` for anything else. */
function parsed(answer: HttpAnswer, { site, request }: Asked): unknown {
  try {
    return JSON.parse(answer.body)
  } catch {
    throw notAnApiServer(site, request.path, 'its answer is no JSON')
  }
}

interface Page {
  readonly metadata: { readonly continue?: string }
  readonly items: readonly KubernetesObject[]
}
const isList = (page: unknown): page is Page =>
  isObject(page) &&
  isObject(page.metadata) &&
  Array.isArray(page.items) &&
  page.items.every((item) => isObject(item) && isObject(item.metadata))

/** A merge patch that only holds for the version that was read. */
function atVersion(patch: object, resourceVersion: string): object {
  const { metadata } = patch as { readonly metadata?: object }
  return { ...patch, metadata: { ...metadata, resourceVersion } }
}
