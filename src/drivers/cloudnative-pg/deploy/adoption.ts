import type { Change } from '../../../driver/deployment.ts'
import { fieldsThatDiffer } from '../../../platform/kubernetes/fields-that-differ.ts'
import { megabytesOf } from '../../../systems/postgres/wal.ts'
import { isObject, type Json, type JsonObject } from '../../../values/json.ts'
import { type ClusterObject, PLUGIN } from '../objects.ts'
import { OF_INITDB, segmentBytesBegunWith } from '../segment-length.ts'
import { archiveMethod, type Database } from '../spec.ts'

/** Where a cluster archives now, and for how long backups are kept there; null: nowhere. */
export interface LiveArchive {
  readonly method: 'plugin' | 'in-tree'
  readonly serverName: string
  readonly destinationPath: string
  readonly endpointURL: string
  readonly retention: string | null
}

export interface Adoption {
  readonly component: Database
  readonly live: ClusterObject
  readonly archive: LiveArchive | null
  /** Where the stack would have it archive. */
  readonly declaredArchive: Pick<LiveArchive, 'destinationPath' | 'endpointURL'>
  /** The spec that a deploy applies. */
  readonly declared: JsonObject
  /** The user's cluster file. */
  readonly userSpec: JsonObject
}

/**
 * What an adoption must say beside the fields that differ: what stays as it is (`keep`), and what it must not change
 * (`refused`), each with what to declare instead. Pure.
 */
export function adoptionChanges(adoption: Adoption): Change[] {
  const { live } = adoption
  const object = `${live.metadata.namespace ?? ''}/Cluster/${live.metadata.name}`
  return [...mustNotChange(adoption), ...staysAsItIs(adoption)].map((change) => ({ object, ...change }))
}

type Part = Omit<Change, 'object'>
const refused = (path: string, why: string): Part => ({ kind: 'refused', path, why })

function mustNotChange(adoption: Adoption): Part[] {
  return [
    ...ofSegments(adoption),
    ...ofArchive(adoption),
    ...ofNames(adoption),
    ...differencesOf(adoption).flatMap(ofField),
  ]
}

/**
 * A database keeps its segment size for life, regardless of the declaration; but its copies are made from the
 * declaration.
 */
function ofSegments({ live, userSpec }: Adoption): Part[] {
  const [own, declared] = [
    segmentBytesBegunWith(live.spec.bootstrap),
    segmentBytesBegunWith(userSpec.bootstrap) ?? OF_INITDB,
  ]
  if (own === null || own === declared) return []
  const why = `its WAL comes in segments of ${megabytesOf(own)} MB, and the cluster file declares ${megabytesOf(declared)} MB`
  return [
    refused(
      'spec.bootstrap.initdb.walSegmentSize',
      `${why}. Declare bootstrap.initdb.walSegmentSize: ${megabytesOf(own)} in the cluster file`,
    ),
  ]
}

function ofArchive({ archive, component, declaredArchive }: Adoption): Part[] {
  if (archive === null) return []
  const found: Part[] = []
  const path = archive.method === 'plugin' ? 'spec.plugins' : 'spec.backup.barmanObjectStore'
  const method = archiveMethod(component)
  if (archive.method !== method)
    found.push(
      refused(
        path,
        `it archives by ${archive.method}, and the stack declares ${method}. Declare archive.method: ${archive.method}`,
      ),
    )
  for (const key of ['destinationPath', 'endpointURL'] as const)
    if (withoutSlash(archive[key]) !== withoutSlash(declaredArchive[key]))
      found.push(
        refused(
          `${path} ${key}`,
          `it archives to ${archive[key]}, and the stack declares ${declaredArchive[key]}. Declare the store's endpoint, bucket and prefix, and archive.prefix, so that both are the same`,
        ),
      )
  const { retention } = component.spec
  if (archive.retention !== null && (retention === undefined || daysOf(retention) < daysOf(archive.retention)))
    found.push(
      refused(
        `${path} retentionPolicy`,
        `its backups are kept for ${archive.retention}, and the stack declares ${retention ?? 'nothing'}. Declare retention: ${archive.retention}`,
      ),
    )
  return found
}

/** CloudNativePG calls database, owner and Secret `app` and `<cluster>-app` unless declared otherwise. */
function ofNames({ live, component: { spec } }: Adoption): Part[] {
  const begun = Object.values((live.spec.bootstrap ?? {}) as Readonly<Record<string, unknown>>).find(isObject) ?? {}
  const name = live.metadata.name
  const nameIn = (value: unknown): string | null =>
    isObject(value) && typeof value.name === 'string' ? value.name : null
  const database = typeof begun.database === 'string' && begun.database !== '' ? begun.database : 'app'
  const own = {
    database,
    owner: typeof begun.owner === 'string' && begun.owner !== '' ? begun.owner : database,
    'secrets.owner': nameIn(begun.secret) ?? `${name}-app`,
    'secrets.superuser':
      nameIn(live.spec.superuserSecret) ??
      (live.spec.enableSuperuserAccess === true ? `${name}-superuser` : spec.secrets.superuser),
  }
  const declared = {
    database: spec.database,
    owner: spec.owner,
    'secrets.owner': spec.secrets.owner,
    'secrets.superuser': spec.secrets.superuser,
  }
  return (Object.keys(own) as (keyof typeof own)[]).flatMap((key) =>
    own[key] === declared[key]
      ? []
      : [refused(key, `it has ${own[key]}, and the stack declares ${declared[key]}. Declare ${key}: ${own[key]}`)],
  )
}

interface FieldChange {
  readonly path: readonly string[]
  readonly from: Json | undefined
  readonly to: Json | undefined
}

/** As server-side apply would do it: mappings field by field, lists and values as a whole. */
const differencesOf = ({ live, declared }: Adoption): FieldChange[] =>
  fieldsThatDiffer(live.spec as unknown as Json, laidOver(live.spec as unknown as Json, declared))

function laidOver(under: Json | undefined, over: Json): Json {
  if (!isObject(under) || !isObject(over)) return over
  return {
    ...under,
    ...Object.fromEntries(Object.entries(over).map(([key, value]) => [key, laidOver(under[key], value)])),
  } as Json
}

function ofField({ path, from, to }: FieldChange): Part[] {
  const field = path.join('.')
  const at = `spec.${field}`
  const declare = (value: Json | undefined): string => `Declare ${field}: ${JSON.stringify(value)} in the cluster file`
  if (field === 'instances' && Number(to) < Number(from))
    return [refused(at, `${to} instances instead of ${from} would delete one with its volume. ${declare(from)}`)]
  if (/(^|\.)size$/.test(field) && bytesOf(to) < bytesOf(from))
    return [refused(at, `a volume cannot shrink from ${from} to ${to}. ${declare(from)}`)]
  if (field === 'imageName' && isOlderImage(String(to), String(from)))
    return [refused(at, `${to} is another major version than ${from}, or an older one. ${declare(from)}`)]
  const lost = lostItems(from, to)
  if (lost.length === 0) return []
  const them = lost.length === 1 ? 'it' : 'them'
  return [refused(at, `${lost.join(', ')} would go. Declare ${them} under ${field} in the cluster file`)]
}

/** Named items that a list lacks when it is replaced as a whole. The archive plugin's own item does not count. */
function lostItems(from: Json | undefined, to: Json | undefined): string[] {
  if (!Array.isArray(from)) return []
  const nameOf = (item: Json): string | null => {
    const named = isObject(item) && isObject(item.serviceTemplate) ? item.serviceTemplate.metadata : item
    return isObject(named) && typeof named.name === 'string' ? named.name : null
  }
  const kept = new Set(Array.isArray(to) ? to.map(nameOf) : [])
  return from.map(nameOf).filter((name): name is string => name !== null && name !== PLUGIN && !kept.has(name))
}

/** What a person reads to see that nothing else changes. */
function staysAsItIs(adoption: Adoption): Part[] {
  const { live, archive, userSpec, declared } = adoption
  const changed = new Set(differencesOf(adoption).map(({ path }) => path[0]))
  const spec = live.spec as unknown as Readonly<Record<string, Json>>
  const asked = askedFor(live)
  const keep = (path: string, from: Json): Part => ({ kind: 'keep', path, from })
  return [
    ...(archive === null ? [] : [keep('archive', `${withoutSlash(archive.destinationPath)}/${archive.serverName}`)]),
    ...(live.status?.systemID === undefined ? [] : [keep('status.systemID', live.status.systemID)]),
    ...(asked ?? Object.keys(spec)).flatMap((field): Part[] => {
      const value = spec[field]
      if (value === undefined || changed.has(field)) return []
      const part = keep(`spec.${field}`, value)
      return asked === null || field in userSpec || field in declared ? [part] : [{ ...part, why: ONLY_HERE }]
    }),
  ]
}
const ONLY_HERE = 'it stays here; it is not in the cluster file, so the copies on other sites are made without it'

/** The fields that people asked for, without what the API server fills in; null where they are unknown. */
function askedFor({ metadata }: ClusterObject): string[] | null {
  const applied = metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration']
  if (applied === undefined) return null
  try {
    const { spec } = JSON.parse(applied) as { readonly spec?: unknown }
    return isObject(spec) ? Object.keys(spec) : null
  } catch {
    return null
  }
}

const withoutSlash = (text: string): string => text.replace(/\/+$/, '')

function daysOf(retention: string): number {
  const [, count = '0', unit = 'd'] = /^(\d+)([dwm])$/.exec(retention) ?? []
  return Number(count) * ({ d: 1, w: 7, m: 30 }[unit] ?? 1)
}

/** A Kubernetes quantity in bytes; NaN for anything else, with which no comparison holds. */
function bytesOf(quantity: Json | undefined): number {
  const [, number, unit = ''] = /^([0-9.]+)([KMGTPE]i?|k)?$/.exec(String(quantity)) ?? []
  const scale = unit.endsWith('i') ? 1024 : 1000
  return Number(number) * scale ** (unit === '' ? 0 : 'KMGTPE'.indexOf(unit.charAt(0).toUpperCase()) + 1)
}

/** By the version that its tag begins with; images without one are not compared. */
function isOlderImage(to: string, from: string): boolean {
  const versionOf = (image: string): [number, number] | null => {
    const [, major, minor = '0'] = /:(\d+)(?:\.(\d+))?/.exec(image.split('/').at(-1) ?? '') ?? []
    return major === undefined ? null : [Number(major), Number(minor)]
  }
  const [old, next] = [versionOf(from), versionOf(to)]
  return old !== null && next !== null && (old[0] !== next[0] || next[1] < old[1])
}
