import { isDeepStrictEqual } from 'node:util'
import type {
  ExecResult,
  KubernetesClient,
  KubernetesObject,
  ObjectMetadata,
  ObjectReference,
  PodReference,
  ProxyTarget,
  ResourceKind,
} from '../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../src/domain/stack.ts'
import { siteError } from '../../src/errors/standby-error.ts'
import { TOUCHED } from '../../src/platform/kubernetes/compare-and-set.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { isObject } from '../../src/values/json.ts'

/** A request to the API server, in the words of its access rules: `pods/exec`, `clusters/status`. */
export interface ApiCall {
  readonly site: string
  readonly verb: string
  readonly apiGroup: string
  readonly resource: string
  /** null: of the whole cluster. */
  readonly namespace: string | null
  /** null: of all objects, or of one that has no name yet. */
  readonly name: string | null
}

/**
 * What controllers and kubelets of a cluster may do: they see and write objects without rights and without conflicts.
 */
export interface Controlled {
  all(plural: string): KubernetesObject[]
  find(plural: string, name: string): KubernetesObject | null
  /** Creates or replaces it. */
  write(object: KubernetesObject): void
  delete(plural: string, name: string): void
}

export interface ClusterWorld {
  readonly site: SiteName
  readonly clock: Clock
  readonly objects: readonly KubernetesObject[]
  /** One pass of all controllers, run before each question: the answer to a change does not show what follows of it. */
  readonly reconcile?: (cluster: Controlled) => void
  readonly exec?: (pod: PodReference, argv: readonly string[], stdin: string, cluster: Controlled) => ExecResult
  readonly proxy?: (target: ProxyTarget, cluster: Controlled) => { readonly status: number; readonly body: string }
  readonly logs?: (pod: PodReference) => string
  /** Whether the identity that asks has the right; everything is allowed when absent. */
  readonly mayAsk?: (call: ApiCall) => boolean
}

export interface ClusterInMemory {
  readonly client: KubernetesClient
  /** What was asked so far, in order. */
  readonly calls: readonly ApiCall[]
  /** Asked, and refused for the lack of a right. */
  readonly refused: readonly ApiCall[]
  readonly controlled: Controlled
  /** All objects once its controllers have nothing left to do, without what each write changes anyway. */
  read(): unknown
}

/**
 * An API server that keeps its objects in memory, with what the drivers rest on: versions, preconditions, uids, merge
 * patches, managers of the fields that a write names, selectors and rights. It validates nothing, and an apply takes no
 * field away.
 */
export function clusterInMemory(world: ClusterWorld): ClusterInMemory {
  const { site, clock } = world
  const objects = new Map<string, KubernetesObject>()
  const born = new Map<string, number>()
  const calls: ApiCall[] = []
  const refused: ApiCall[] = []
  let version = 0

  const store = (object: KubernetesObject, before: KubernetesObject | undefined): KubernetesObject => {
    const key = keyOf(object)
    version += 1
    const isNew = before === undefined || before.metadata.uid === undefined
    if (isNew) born.set(key, (born.get(key) ?? 0) + 1)
    const generation = before === undefined ? 1 : (before.metadata.generation ?? 1) + (sameSpec(before, object) ? 0 : 1)
    const metadata: ObjectMetadata = {
      ...object.metadata,
      uid: isNew ? (object.metadata.uid ?? `${object.metadata.name}-${born.get(key)}`) : before.metadata.uid,
      creationTimestamp: before?.metadata.creationTimestamp ?? object.metadata.creationTimestamp ?? now(),
      generation,
      resourceVersion: String(version),
    }
    const stored = { ...object, metadata } as KubernetesObject
    objects.set(key, stored)
    return stored
  }
  const now = (): string => `${clock.now().toISOString().slice(0, 19)}Z`
  const controlled: Controlled = {
    all: (plural) => [...objects.entries()].filter(([key]) => key.split('/')[1] === plural).map(([, one]) => one),
    find: (plural, name) => controlled.all(plural).find(({ metadata }) => metadata.name === name) ?? null,
    write: (object) => {
      const before = objects.get(keyOf(object))
      const after = { ...object, metadata: { ...before?.metadata, ...object.metadata } }
      if (before === undefined || !same(before, after)) store(after, before)
    },
    delete: (plural, name) => {
      const found = controlled.find(plural, name)
      if (found !== null) objects.delete(keyOf(found))
    },
  }
  for (const object of world.objects) store(object, undefined)

  const reconcile = (): void => world.reconcile?.(controlled)
  /** Notes the request, and refuses it where the right is lacking. */
  const asked = (verb: string, of: ResourceKind, namespace: string | null, name: string | null, sub = ''): void => {
    const resource = sub === '' ? of.plural : `${of.plural}/${sub}`
    const call: ApiCall = { site, verb, apiGroup: groupOf(of.apiVersion), resource, namespace, name }
    calls.push(call)
    if (world.mayAsk?.(call) ?? true) return
    refused.push(call)
    throw siteError('kubernetes-forbidden', `a right is missing on ${site}: ${textOfCall(call)}`)
  }
  const at = (ref: ObjectReference): KubernetesObject | undefined => objects.get(keyOfReference(ref))
  const existing = (ref: ObjectReference): KubernetesObject => {
    const found = at(ref)
    if (found !== undefined) return found
    throw siteError('kubernetes-not-found', `${ref.plural} "${ref.name}" not found`)
  }
  const conflict = (what: string) => siteError('kubernetes-conflict', what, { retry: 'conflict' })
  const pod = (of: { readonly namespace: string; readonly name: string }): void =>
    void existing({ ...POD, namespace: of.namespace, name: of.name })

  const client: KubernetesClient = {
    site,
    clusterId: async () => `uid-${site}`,
    version: async () => 'v1.34.1',
    async get(ref) {
      asked('get', ref, ref.namespace, ref.name)
      reconcile()
      return at(ref) ?? null
    },
    async list(kind, query = {}) {
      asked('list', kind, query.namespace ?? null, null)
      reconcile()
      return controlled
        .all(kind.plural)
        .filter(
          ({ metadata }) =>
            (query.namespace === undefined || metadata.namespace === query.namespace) &&
            isSelected(metadata.labels ?? {}, query.labelSelector ?? ''),
        )
        .filter((object) => isSelectedByField(object, query.fieldSelector ?? ''))
    },
    async create(object) {
      const ref = referenceTo(object)
      asked('create', ref, ref.namespace, null)
      if (at(ref) !== undefined) throw conflict(`${ref.plural} "${ref.name}" already exists`)
      return store(written(undefined, object, MANAGER, now()), undefined)
    },
    async apply(object, options = {}) {
      const ref = referenceTo(object)
      asked('patch', ref, ref.namespace, ref.name)
      const before = at(ref)
      if (before === undefined) asked('create', ref, ref.namespace, null)
      const manager = options.fieldManager ?? MANAGER
      const after = written(before, merged(before ?? {}, object), manager, now(), object)
      return options.dryRun === true ? after : store(after, before)
    },
    async patch(ref, patch, options = {}) {
      asked('patch', ref, ref.namespace, ref.name, options.subresource)
      const before = existing(ref)
      if (options.resourceVersion !== undefined && options.resourceVersion !== before.metadata.resourceVersion)
        throw conflict(`${ref.plural} "${ref.name}": the object has been modified`)
      return store(written(before, merged(before, patch), MANAGER, now(), patch), before)
    },
    async remove(ref, options = {}) {
      asked('delete', ref, ref.namespace, ref.name)
      const before = at(ref)
      if (before === undefined) return false
      if (options.uid !== undefined && options.uid !== before.metadata.uid)
        throw conflict(`${ref.plural} "${ref.name}": the UID in the precondition does not match`)
      objects.delete(keyOf(before))
      return true
    },
    async *watch(ref, signal) {
      asked('list', ref, ref.namespace, ref.name)
      asked('watch', ref, ref.namespace, ref.name)
      yield at(ref) ?? null
      await untilAborted(signal)
    },
    async *watchAll(kind, { namespace }, signal) {
      asked('list', kind, namespace, null)
      asked('watch', kind, namespace, null)
      yield null
      await untilAborted(signal)
    },
    async exec(of, argv, options = {}) {
      asked('create', POD, of.namespace, of.name, 'exec')
      asked('get', POD, of.namespace, of.name, 'exec')
      reconcile()
      pod(of)
      if (world.exec === undefined) throw new Error('no pod of this world runs commands')
      return world.exec(of, argv, options.stdin ?? '', controlled)
    },
    async logs(of) {
      asked('get', POD, of.namespace, of.name, 'log')
      reconcile()
      pod(of)
      return world.logs?.(of) ?? ''
    },
    async proxyGet(target) {
      asked('get', POD, target.namespace, target.pod, 'proxy')
      reconcile()
      pod({ namespace: target.namespace, name: target.pod })
      return world.proxy?.(target, controlled) ?? { status: 503, body: '' }
    },
    async proxyPost(target) {
      asked('create', POD, target.namespace, target.pod, 'proxy')
      reconcile()
      return world.proxy?.(target, controlled) ?? { status: 503, body: '' }
    },
    async request(method, path) {
      throw new Error(`this world knows no ${method} ${path}`)
    },
  }
  return {
    client,
    calls,
    refused,
    controlled,
    read() {
      for (let before = -1, passes = 0; before !== version; passes++) {
        if (passes > 100) throw new Error(`the controllers of ${site} never come to rest`)
        before = version
        reconcile()
      }
      return [...objects.entries()]
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .map(([key, object]) => [key, withoutVersions(object)])
    },
  }
}

/** The right that a call needs, as a role names it. */
export const textOfCall = ({ verb, resource, apiGroup, namespace, name }: ApiCall): string =>
  `${verb} ${resource}${apiGroup === '' ? '' : `.${apiGroup}`}${name === null ? '' : ` ${name}`} in ${namespace ?? 'the whole cluster'}`

const MANAGER = 'standby'
const POD = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' } as const

const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '')
const pluralOf = (kind: string): string => `${kind.toLowerCase()}${kind.endsWith('s') ? 'es' : 's'}`
const referenceTo = ({ apiVersion, kind, metadata }: KubernetesObject): ObjectReference => ({
  apiVersion,
  kind,
  plural: pluralOf(kind),
  namespace: metadata.namespace ?? null,
  name: metadata.name,
})
const keyOfReference = ({ apiVersion, plural, namespace, name }: ObjectReference): string =>
  `${groupOf(apiVersion)}/${plural}/${namespace ?? ''}/${name}`
const keyOf = (object: KubernetesObject): string => keyOfReference(referenceTo(object))

const same = (one: unknown, other: unknown): boolean => isDeepStrictEqual(one, other)
const sameSpec = (one: KubernetesObject, other: KubernetesObject): boolean => same(one.spec, other.spec)

/** RFC 7396: a null removes, a list replaces. */
function merged(before: unknown, patch: unknown): unknown {
  if (!isObject(patch as never)) return patch
  const base: Record<string, unknown> = isObject(before as never) ? { ...(before as object) } : {}
  for (const [name, value] of Object.entries(patch as object)) {
    if (value === null) delete base[name]
    else base[name] = merged(base[name], value)
  }
  return base
}

interface ManagedFields {
  readonly manager: string
  readonly operation: string
  readonly time: string
  readonly fieldsV1: object
}

/**
 * With the managers of the fields that a write names: one that gets another value is taken from all others, one that
 * keeps its value is shared.
 */
function written(
  before: KubernetesObject | undefined,
  after: unknown,
  manager: string,
  time: string,
  named: unknown = after,
): KubernetesObject {
  const object = after as KubernetesObject
  const paths = leavesOf(named).filter(([top]) => top === 'spec' || top === 'data')
  if (paths.length === 0) return object
  const entries = (before?.metadata.managedFields ?? []) as readonly ManagedFields[]
  const changed = paths.filter((path) => !same(valueAt(before, path), valueAt(after, path)))
  const others = entries
    .filter((entry) => entry.manager !== manager)
    .map((entry) => ({ ...entry, fieldsV1: changed.reduce<object>(withoutField, entry.fieldsV1) }))
  const own = entries.find((entry) => entry.manager === manager)?.fieldsV1 ?? {}
  const managedFields = [
    ...others.filter(({ fieldsV1 }) => Object.keys(fieldsV1).length > 0),
    { manager, operation: 'Update', time, fieldsV1: paths.reduce<object>(withField, own) },
  ]
  return { ...object, metadata: { ...object.metadata, managedFields } }
}

function leavesOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (!isObject(value as never) || Object.keys(value as object).length === 0) return path.length === 0 ? [] : [path]
  return Object.entries(value as object).flatMap(([name, part]) => leavesOf(part, [...path, name]))
}
const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], value)
function withField(fields: object, [name, ...rest]: readonly string[]): object {
  if (name === undefined) return fields
  const key = `f:${name}`
  return { ...fields, [key]: withField((fields as Record<string, object>)[key] ?? {}, rest) }
}
function withoutField(fields: object, [name, ...rest]: readonly string[]): object {
  const key = `f:${name}`
  const inner = (fields as Record<string, object>)[key]
  if (name === undefined || inner === undefined) return fields
  const { [key]: _, ...others } = fields as Record<string, object>
  const left = rest.length === 0 ? {} : withoutField(inner, rest)
  return Object.keys(left).length === 0 ? others : { ...others, [key]: left }
}

/** `a=b`, `a!=b`, `a in (b,c)`, `a`, `!a`, joined by commas. */
function isSelected(labels: Readonly<Record<string, string>>, selector: string): boolean {
  const parts = selector.split(/,(?![^(]*\))/).filter((part) => part !== '')
  return parts.every((part) => {
    const set = /^(\S+) (in|notin) \((.*)\)$/.exec(part)
    if (set !== null) return (set[3] ?? '').split(',').includes(labels[set[1] ?? ''] ?? '') === (set[2] === 'in')
    const [name = '', value] = part.split(/!?==?/)
    if (value === undefined) return part.startsWith('!') ? labels[part.slice(1)] === undefined : name in labels
    return (labels[name] === value) !== part.includes('!=')
  })
}

const isSelectedByField = (object: KubernetesObject, selector: string): boolean =>
  selector
    .split(',')
    .filter((part) => part !== '')
    .every((part) => {
      const [path = '', value] = part.split('=')
      return String(valueAt(object, path.split('.')) ?? '') === value
    })

/**
 * What each write changes by itself, and says nothing about what was asked for. A pod that starts again is another one.
 */
function withoutVersions(object: KubernetesObject): unknown {
  const { resourceVersion: _v, generation: _g, managedFields: _m, creationTimestamp: _c, ...metadata } = object.metadata
  const { uid, ...unborn } = metadata
  const { [TOUCHED]: _t, ...annotations } = metadata.annotations ?? {}
  const { observedGeneration: _o, ...status } = (object.status ?? {}) as { readonly observedGeneration?: number }
  const lasting = object.kind === 'Pod' ? unborn : { ...unborn, uid }
  return { ...object, metadata: { ...lasting, annotations }, status }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
