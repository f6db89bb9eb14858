import type { ListQuery, ObjectReference, ProxyTarget, ResourceKind } from '../../../clients/kubernetes-client.ts'

/** What a request asks of the API server, in the words of its access rules. */
export interface ResourceRequest {
  readonly verb: string
  readonly apiGroup: string
  /** `pods/exec` where there is a subresource; empty for paths that name no resource. */
  readonly resource: string
  readonly namespace: string | null
  readonly name: string | null
  readonly path: string
}

/** `/apis/postgresql.cnpg.io/v1/namespaces/infisical/clusters`. */
export function collectionPath(kind: ResourceKind, namespace: string | null | undefined): string {
  const root = kind.apiVersion.includes('/') ? `/apis/${kind.apiVersion}` : `/api/${kind.apiVersion}`
  return namespace === null || namespace === undefined
    ? `${root}/${kind.plural}`
    : `${root}/namespaces/${encode(namespace)}/${kind.plural}`
}

export const objectPath = (ref: ObjectReference, subresource?: string): string =>
  `${collectionPath(ref, ref.namespace)}/${encode(ref.name)}${subresource === undefined ? '' : `/${subresource}`}`

export const podPath = (namespace: string, name: string, subresource: string): string =>
  `/api/v1/namespaces/${encode(namespace)}/pods/${encode(name)}/${subresource}`

/** The path with the parts of a query that are set; arrays repeat their key, as `command` of exec does. */
export function withQuery(
  path: string,
  query: Readonly<Record<string, string | readonly string[] | undefined>>,
): string {
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (typeof value === 'string') parameters.append(key, value)
    else for (const one of value ?? []) parameters.append(key, one)
  }
  return parameters.size === 0 ? path : `${path}?${parameters}`
}

export const selectors = (query: ListQuery): Record<string, string | undefined> => ({
  labelSelector: query.labelSelector,
  fieldSelector: query.fieldSelector,
})

/** What a method and path ask for: the rule that a missing right is reported as. */
export function resourceRequestOf(method: string, pathAndQuery: string): ResourceRequest {
  const [path = '', query = ''] = pathAndQuery.split('?', 2)
  const parts = path.split('/').filter((part) => part !== '')
  const apiGroup = parts[0] === 'apis' ? (parts[1] ?? '') : ''
  const rest = afterVersion(parts).map(decodeURIComponent)
  // `/namespaces/infisical` is an object itself, `/namespaces/infisical/pods` is inside of it.
  const namespaced = rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize'
  const namespace = namespaced ? (rest[1] ?? null) : null
  const [resource = '', name = null, subresource] = namespaced ? rest.slice(2) : rest
  const watching = new URLSearchParams(query).get('watch') === 'true'
  return {
    verb: verbOf(method, name, watching),
    apiGroup,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace,
    name,
    path,
  }
}

/** What follows `api/v1` or `apis/<group>/<version>`; nothing on any other path. */
function afterVersion(parts: readonly string[]): readonly string[] {
  if (parts[0] === 'api') return parts.slice(2)
  return parts[0] === 'apis' ? parts.slice(3) : []
}

function verbOf(method: string, name: string | null, watching: boolean): string {
  switch (method.toUpperCase()) {
    case 'GET':
      if (watching) return 'watch'
      return name === null ? 'list' : 'get'
    case 'POST':
      return 'create'
    case 'PATCH':
      return 'patch'
    case 'PUT':
      return 'update'
    case 'DELETE':
      return name === null ? 'deletecollection' : 'delete'
    default:
      return method.toLowerCase()
  }
}

/**
 * `dc-a infisical/clusters.postgresql.cnpg.io/pg-dc-a`; with the kind where the caller knows it: `dc-a
 * infisical/Cluster/pg-dc-a`.
 */
export function whereOf(site: string, request: ResourceRequest, kind?: string): string {
  if (request.resource === '') return `${site} ${request.path}`
  const plural = request.apiGroup === '' ? request.resource : `${request.resource}.${request.apiGroup}`
  return `${site} ${[request.namespace, kind ?? plural, request.name].filter((part) => part !== null).join('/')}`
}

const encode = encodeURIComponent

/** Of a port of a pod, through the API server. */
export const proxyPath = ({ namespace, scheme, pod, port, path }: ProxyTarget): string =>
  `${podPath(namespace, `${scheme}:${pod}:${port}`, 'proxy')}/${path.replace(/^\//, '')}`
