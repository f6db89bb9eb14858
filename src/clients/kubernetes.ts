import type { Agent } from 'node:http'
import type { RequestOptions } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node/dist/config.js'
import { type Milliseconds, readableDuration, seconds } from '../duration.ts'
import { type StandbyError, siteError, timeoutError } from '../errors.ts'
import type { CallOptions, KubernetesClient, KubernetesObject, ObjectReference, ResourceKind } from './kubernetes-client.ts'
import { kindsServedBy } from './kubernetes-discovery.ts'
import { type Asked, badKubeconfig, refusal, statusIn, unreachable } from './kubernetes-errors.ts'
import { execOverWebSocket } from './kubernetes-exec.ts'
import { type Credentials, exchange, type HttpAnswer, type HttpRequest, keptAliveAgent, type Link } from './kubernetes-http.ts'
import { collectionPath, objectPath, podPath, proxyPath, resourceRequestOf, selectors, whereOf, withQuery } from './kubernetes-paths.ts'
import { type Watched, watchAll, watchObject } from './kubernetes-watch.ts'
import { withinDeadline } from './within-deadline.ts'

export interface KubernetesAccess {
  readonly site: string
  /** Content of a kubeconfig, or the path of one. */
  readonly kubeconfig: string
  /** Without it, the kubeconfig's own current context. */
  readonly context?: string | undefined
  /** Ends all calls. */
  readonly signal: AbortSignal
}

const DEADLINE: Milliseconds = seconds(10)
const FIELD_MANAGER = 'standby'
const PAGE = '500'
const MERGE_PATCH = 'application/merge-patch+json'
/** JSON is YAML; this name of the type is understood by every server that knows server-side apply. */
const APPLY_PATCH = 'application/apply-patch+yaml'

/** A client of one cluster. Contacts nothing yet; throws `kubeconfig-invalid` when the kubeconfig can not be used. */
export function openKubernetes(access: KubernetesAccess): KubernetesClient {
  const { site } = access
  const link = linkOf(access)
  const watchLink: Link = { ...link, agent: keptAliveAgent(link.server, Number.POSITIVE_INFINITY) }
  let clusterId: string | null = null

  const asked = (request: HttpRequest, kind?: string): Asked => ({ site, request: resourceRequestOf(request.method, request.path), kind })

  const bounded = <T>(
    options: CallOptions | undefined,
    work: (signal: AbortSignal) => Promise<T>,
    late: (deadline: Milliseconds) => Error,
  ): Promise<T> => {
    const deadline = options?.deadline ?? DEADLINE
    return withinDeadline(deadline, [access.signal, options?.signal], work, () => late(deadline))
  }

  const ask = (request: HttpRequest, options?: CallOptions): Promise<HttpAnswer> =>
    bounded(
      options,
      (signal) => exchange(link, request, signal),
      (deadline) => link.unreachable(`no answer to ${request.method} ${request.path.split('?')[0]} within ${readableDuration(deadline)}`),
    )

  /** The answer's JSON; null for a status that the caller expects. */
  const json = async (request: HttpRequest, options?: CallOptions, kind?: string, expected?: number): Promise<unknown> => {
    const answer = await ask(request, options)
    if (answer.status === expected) return null
    if (answer.status >= 200 && answer.status < 300) return answer.body === '' ? null : JSON.parse(answer.body)
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
  const watched = (kind: ResourceKind, namespace: string | null | undefined, selected: Watched['selected']): Watched => ({
    path: collectionPath(kind, namespace),
    selected,
    link: watchLink,
    get: (path, ending) => ask({ method: 'GET', path }, { signal: ending }),
    refused: (path, answer) => refusal(asked({ method: 'GET', path }, kind.kind), answer.status, answer.body, answer.retryAfter),
  })

  return {
    site,

    async clusterId() {
      if (clusterId !== null) return clusterId
      const namespace = (await get('/api/v1/namespaces/kube-system')) as KubernetesObject
      clusterId = namespace.metadata.uid ?? ''
      return clusterId
    },

    async version() {
      return ((await get('/version')) as { readonly gitVersion: string }).gitVersion
    },

    async get(ref, options) {
      return (await json({ method: 'GET', path: objectPath(ref) }, options, ref.kind, 404)) as KubernetesObject | null
    },

    async list(kind, query = {}, options) {
      const objects: KubernetesObject[] = []
      let next: string | undefined
      do {
        const path = withQuery(collectionPath(kind, query.namespace), { ...selectors(query), limit: PAGE, continue: next })
        const page = (await json({ method: 'GET', path }, options, kind.kind)) as {
          readonly metadata: { readonly continue?: string }
          readonly items: readonly KubernetesObject[]
        }
        // Items of a list do not say what they are.
        objects.push(...page.items.map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind })))
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
      const grace = options.gracePeriod === undefined ? {} : { gracePeriodSeconds: Math.ceil(options.gracePeriod / 1_000) }
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
      if (answer.status !== 200) throw refusal(asked({ method: 'GET', path }, 'Pod'), answer.status, answer.body, answer.retryAfter)
      return answer.body
    },

    proxyGet: (target, options) => proxied({ method: 'GET', path: proxyPath(target), once: true }, options),
    proxyPost: (target, body, options) =>
      proxied({ method: 'POST', path: proxyPath(target), body: JSON.stringify(body), contentType: 'application/json' }, options),

    request(method, path, body, options) {
      const contentType = method === 'PATCH' ? MERGE_PATCH : 'application/json'
      return json({ method, path, ...(body === undefined ? {} : { body: JSON.stringify(body), contentType }) }, options)
    },
  }
}

/** A value that is not clearly a path may be a kubeconfig in a wrong form, such as base64: its errors go into logs and evidence. */
const unlessContent = (value: string): string => (/^(\/|\.\.?\/|~)/.test(value) && value.length < 200 ? value : 'what was given')

/** One KubeConfig per cluster: its caches of tokens and agents go by the names in the file, which repeat between files. */
function linkOf(access: KubernetesAccess): Link {
  const { site } = access
  const config = new KubeConfig()
  try {
    if (isContent(access.kubeconfig)) config.loadFromString(access.kubeconfig)
    else config.loadFromFile(access.kubeconfig)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== undefined) throw badKubeconfig(site, `${unlessContent(access.kubeconfig)} is no file that can be read (${code})`)
    // Only the first line: a YAML error goes on to quote the file, and the file holds secrets.
    throw badKubeconfig(site, message.split('\n')[0] ?? '')
  }
  const names = config.contexts.map((context) => context.name)
  const wanted = access.context ?? config.currentContext
  if (wanted === undefined || wanted === '') throw badKubeconfig(site, `it has no current context; name one of ${names.join(', ')}`)
  if (!names.includes(wanted)) throw badKubeconfig(site, `it has no context ${wanted}; there are ${names.join(', ') || 'none'}`)
  config.setCurrentContext(wanted)
  const cluster = config.getCurrentCluster()
  if (cluster === null) throw badKubeconfig(site, `the cluster of context ${wanted} is not in it`)
  if (config.getCurrentUser() === null) throw badKubeconfig(site, `the user of context ${wanted} is not in it`)
  if (!URL.canParse(cluster.server)) throw badKubeconfig(site, `${cluster.server} is no address of a server`)
  const server = new URL(cluster.server)
  if (server.protocol === 'http:' && !cluster.skipTLSVerify)
    throw badKubeconfig(site, `${cluster.server} is not encrypted; only insecure-skip-tls-verify allows that`)
  return {
    server,
    credentials: () => credentialsOf(config, site, cluster.proxyUrl !== undefined),
    agent: keptAliveAgent(server, MAX_SOCKETS),
    unreachable: (why, cause) => unreachable(site, cluster.server, why, cause),
  }
}
const MAX_SOCKETS = 8

async function credentialsOf(config: KubeConfig, site: string, proxied: boolean): Promise<Credentials> {
  const options: RequestOptions = {}
  try {
    await config.applyToHTTPSOptions(options)
  } catch (error) {
    const program = config.getCurrentUser()?.exec?.command as string | undefined
    const what = program === undefined ? 'the credentials in the kubeconfig can not be read' : `the credential program ${program} failed`
    throw siteError('kubernetes-unauthorized', `${what}: ${(error as Error).message.trim()}`, {
      where: `sites.${site}.kubernetes.kubeconfig`,
      next: program === undefined ? 'Correct the kubeconfig.' : `Run ${program} by hand.`,
      cause: error,
    })
  }
  const { ca, cert, key, rejectUnauthorized, servername, auth } = options
  const headers = { ...(options.headers as Record<string, string> | undefined) }
  if (typeof auth === 'string') headers.Authorization = `Basic ${Buffer.from(auth).toString('base64')}`
  const tls = Object.fromEntries(
    Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(([, value]) => value !== undefined),
  ) as Credentials['tls']
  return { tls, headers, ...(proxied ? { proxy: options.agent as Agent } : {}) }
}

const isContent = (kubeconfig: string): boolean => kubeconfig.includes('\n') || kubeconfig.trimStart().startsWith('{')

/** A merge patch that only holds for the version that was read. */
function atVersion(patch: object, resourceVersion: string): object {
  const { metadata } = patch as { readonly metadata?: object }
  return { ...patch, metadata: { ...metadata, resourceVersion } }
}
