import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Change } from '../../driver/deployment.ts'
import { isObject, type Json, type JsonObject } from '../../values/json.ts'

/** A field that the API server never changes, with both values, and what a person does instead, step by step. */
export type ImmutableField = Required<Pick<Change, 'path' | 'why'>> & Pick<Change, 'from' | 'to'>

/**
 * Which declared fields differ from a live object in a place that is fixed at its creation. Read when the API server
 * has refused the change: its own words name neither the field of a StatefulSet nor a way out. Pure.
 */
export function immutableFields(live: KubernetesObject, declared: KubernetesObject): ImmutableField[] {
  return [
    ...(live.kind === 'StatefulSet' ? volumesOf(live, declared) : []),
    ...(FIXED[live.kind] ?? []).flatMap((rule) => rule(live, declared)),
  ]
}

type Rule = (live: KubernetesObject, declared: KubernetesObject) => ImmutableField[]

/** By kind: what is fixed, and how the object is made anew without what it holds being lost. */
const FIXED: Readonly<Record<string, readonly Rule[]>> = {
  StatefulSet: [
    // Its pods carry the labels of the old selector, and nothing would find them.
    fixed('spec.selector', replaced),
    fixed('spec.serviceName', (one) => `${orphaned(one)}, then deploy again: the new one takes over the pod that runs`),
    fixed(
      'spec.podManagementPolicy',
      (one) => `${orphaned(one)}, then deploy again: the new one takes over the pod that runs`,
    ),
  ],
  Deployment: [fixed('spec.selector', (one) => `${removed(one)} (its pods end), then deploy again`)],
  Job: [
    fixed('spec.template', (one) => `${removed(one)}, then deploy again`),
    fixed('spec.selector', (one) => `${removed(one)}, then deploy again`),
  ],
  Service: [fixed('spec.clusterIP', (one) => `${removed(one)} (clients lose it for a moment), then deploy again`)],
  Secret: [
    fixed('type', (one) => `note what else reads it, then ${removed(one)}, and deploy again`),
    whole('data', (one) => `it is marked as immutable: ${removed(one)}, then deploy again`),
  ],
  ConfigMap: [whole('data', (one) => `it is marked as immutable: ${removed(one)}, then deploy again`)],
}

/** A field that is fixed whenever it was set. */
function fixed(path: string, way: (object: KubernetesObject) => string): Rule {
  return (live, declared) => {
    const [from, to] = [at(live, path), at(declared, path)]
    if (to === undefined || covers(from, to)) return []
    return [
      { path, ...(from === undefined ? {} : { from }), to, why: `is fixed when the object is made: ${way(live)}` },
    ]
  }
}

/** Content of an object that says of itself that it never changes; no value of it is shown. */
function whole(path: string, way: (object: KubernetesObject) => string): Rule {
  return (live, declared) =>
    live.immutable !== true || at(declared, path) === undefined || covers(at(live, path), at(declared, path))
      ? []
      : [{ path, why: way(live) }]
}

/**
 * A template of a claim makes claims and is never applied to those that are there: the claim itself grows, and the set
 * is made anew around it.
 */
function volumesOf(live: KubernetesObject, declared: KubernetesObject): ImmutableField[] {
  const before = claimsOf(live)
  return claimsOf(declared).flatMap(({ name, storage: to }): ImmutableField[] => {
    const from = before.find((one) => one.name === name)?.storage
    const path = `spec.volumeClaimTemplates[${name}].storage`
    if (from === undefined || from === to) return []
    const smaller = bytesOf(to) < bytesOf(from)
    return [
      {
        path,
        from,
        to,
        why: smaller ? `a volume cannot shrink from ${from} to ${to}: declare ${from}` : growing(live, name, from, to),
      },
    ]
  })
}

function growing(set: KubernetesObject, claim: string, from: string, to: string): string {
  const { namespace = '' } = set.metadata
  const patch = JSON.stringify({ spec: { resources: { requests: { storage: to } } } })
  const claims = podsOf(set).map((pod) => `${claim}-${pod}`)
  return [
    `a StatefulSet cannot resize its volumes from ${from} to ${to}, but they can grow beneath it.`,
    `1. Where their StorageClass says allowVolumeExpansion: true: ${claims.map((one) => `kubectl -n ${namespace} patch pvc ${one} -p '${patch}'`).join(' ; ')}`,
    `2. ${orphaned(set)} (its pod runs on)`,
    '3. Deploy again: the new StatefulSet takes over pod and volume.',
  ].join(' ')
}

/**
 * The set goes without its pods, and these after it: deleted with its pods it takes its claims along where
 * `whenDeleted: Delete` says so. Whether a program writes out what it holds in memory when it ends, no object says.
 */
function replaced(set: KubernetesObject): string {
  const pods = podsOf(set)
  const without = pods.length === 0 ? '' : ` ; kubectl -n ${set.metadata.namespace ?? ''} delete pod ${pods.join(' ')}`
  const kept =
    claimsOf(set).length === 0
      ? 'it has no claims, and what its pods hold ends with them: save that first, and load it afterwards'
      : 'its claims stay, and what its pods hold in memory alone ends with them: have that written to the volume first'
  return `${kept}. Then ${orphaned(set)}${without}, and deploy again`
}

const podsOf = (set: KubernetesObject): string[] =>
  Array.from({ length: Number(at(set, 'spec.replicas') ?? 1) }, (_, ordinal) => `${set.metadata.name}-${ordinal}`)

const orphaned = (object: KubernetesObject): string => `${removed(object)} --cascade=orphan`
const removed = ({ kind, metadata: { name, namespace = '' } }: KubernetesObject): string =>
  `kubectl -n ${namespace} delete ${kind.toLowerCase()} ${name}`

function claimsOf(set: KubernetesObject): { readonly name: string; readonly storage: string }[] {
  const templates = at(set, 'spec.volumeClaimTemplates')
  if (!Array.isArray(templates)) return []
  return templates.flatMap((template: Json) => {
    const [name, storage] = [at(template, 'metadata.name'), at(template, 'spec.resources.requests.storage')]
    return typeof name === 'string' && typeof storage === 'string' ? [{ name, storage }] : []
  })
}

function at(value: unknown, path: string): Json | undefined {
  return path
    .split('.')
    .reduce<Json | undefined>(
      (one, key) => (isObject(one) && Object.hasOwn(one, key) ? (one as JsonObject)[key] : undefined),
      value as Json,
    )
}

/** Whether a value holds all that is declared: the API server adds its defaults. */
function covers(live: Json | undefined, declared: Json | undefined): boolean {
  if (isObject(declared))
    return isObject(live) && Object.entries(declared).every(([key, value]) => covers((live as JsonObject)[key], value))
  if (Array.isArray(declared))
    return (
      Array.isArray(live) && live.length === declared.length && declared.every((one, index) => covers(live[index], one))
    )
  return live === declared
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}
const bytesOf = (quantity: string): number => {
  const [, number = '', unit = ''] = /^([0-9.]+)([A-Za-z]*)$/.exec(quantity) ?? []
  return Number(number) * (UNITS[unit] ?? Number.NaN)
}
