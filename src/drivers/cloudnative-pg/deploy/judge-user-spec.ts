import type { SpecProblem } from '../../../domain/declaration.ts'
import type { Stack } from '../../../domain/stack.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { canonicalJson, isObject, type Json, type JsonObject } from '../../../values/json.ts'
import { PLUGIN } from '../objects.ts'
import { isSegmentSize } from '../segment-length.ts'
import { archiveMethod, clusterOf, type Database, firstServerName, follows } from '../spec.ts'
import { bootstrapOf, clusterManifest } from './manifests.ts'
import { readUserSpec } from './user-spec.ts'

/**
 * The fields of the user's own Cluster spec that would have no effect, or must not have any: none is dropped silently.
 * Reads the file that the component names.
 */
export async function userSpecProblems(component: Database, stack: Stack): Promise<SpecProblem[]> {
  const file = component.spec.cluster?.file ?? ''
  try {
    const found = fieldProblems(component, stack, await readUserSpec(component, stack))
    return found.map(({ field, why }) => ({ path: ['cluster', 'file'], what: `${file}: ${field} ${why}` }))
  } catch (error) {
    const { code, message } = asStandbyError(error)
    if (code !== 'database-values-invalid') throw error
    return [{ path: ['cluster', 'file'], what: message }]
  }
}

export interface FieldProblem {
  /** `bootstrap.recovery`. */
  readonly field: string
  readonly why: string
}

/** Pure. */
export function fieldProblems(component: Database, stack: Stack, userSpec: JsonObject): FieldProblem[] {
  const written = writtenFor(component, stack, userSpec)
  return [
    ...overridden(userSpec, written, '').map((field) => ({ field, why: `is not yours to set: ${wayOf(field)}` })),
    ...unsound(component, userSpec),
  ]
}

/**
 * The spec that the first deploy would write for the first active site: what it says of each field of the user's
 * counts.
 */
function writtenFor(component: Database, stack: Stack, userSpec: JsonObject): JsonObject {
  const site = stack.initialActive
  const keys = { accessKeyId: { env: '' }, secretAccessKey: { env: '' } }
  const location = { endpoint: '', region: '', bucket: '', prefix: '', credentials: keys, readCredentials: keys }
  const cluster = clusterOf(component, site)
  const declared = clusterManifest({
    component,
    stack,
    site,
    archives: stack.sites.map(({ name }) => ({
      site: name,
      location,
      serverName: firstServerName(clusterOf(component, name)),
    })),
    userSpec,
    replica: { primary: cluster, source: cluster },
    bootstrap: bootstrapOf(component, null, userSpec),
    streaming: [],
  })
  return declared.object.spec as JsonObject
}

/** The fields of `asked` that `written` says something else of. Lists of named things are compared thing by thing. */
function overridden(asked: Json | undefined, written: Json | undefined, at: string): string[] {
  if (asked === undefined || canonicalJson(asked) === canonicalJson(written ?? null)) return []
  if (isObject(asked) && isObject(written))
    return Object.entries(asked).flatMap(([key, value]) =>
      overridden(value as Json, written[key] as Json | undefined, at === '' ? key : `${at}.${key}`),
    )
  if (Array.isArray(asked) && Array.isArray(written))
    return asked.flatMap((item) => {
      const name = nameOf(item)
      const match = written.find((one) => name !== null && nameOf(one) === name)
      return canonicalJson(item) === canonicalJson(match ?? null) ? [] : [`${at}[${name ?? '?'}]`]
    })
  return [at]
}

function nameOf(item: Json): string | null {
  const named = isObject(item) && isObject(item.serviceTemplate) ? item.serviceTemplate.metadata : item
  return isObject(named) && typeof named.name === 'string' ? named.name : null
}

/** The way to what a person may have wanted. */
const WAYS: readonly (readonly [RegExp, string])[] = [
  [/^bootstrap\.initdb\.(database|owner|secret)/, 'declare database, owner and secrets.owner in the stack file'],
  [
    /^bootstrap/,
    'a deploy begins a new database or copies the active one. To bring data in, make the Cluster by hand, and adopt it: docs/adopting.md',
  ],
  [/^replica/, 'moves decide which cluster follows which, and initialActive decides it the first time'],
  [/^externalClusters/, 'the clusters of the stack are declared under sites; give yours another name'],
  [/^backup\.retentionPolicy/, 'declare retention in the stack file'],
  [/^(backup|plugins)/, 'declare archive: { method, store, prefix } in the stack file'],
  [/^(enableSuperuserAccess|superuserSecret)/, 'declare secrets.superuser in the stack file'],
  [/^managed\.services/, 'the stack makes a service of that name; give yours another one'],
]
const wayOf = (field: string): string => WAYS.find(([pattern]) => pattern.test(field))?.[1] ?? 'leave it out'

/** What would come into force, and break what a move rests on. */
function unsound(component: Database, userSpec: JsonObject): FieldProblem[] {
  const found: FieldProblem[] = []
  const at = (path: string): Json | undefined =>
    path
      .split('.')
      .reduce<Json | undefined>(
        (value, key) => (isObject(value) ? (value[key] as Json | undefined) : undefined),
        userSpec,
      )
  if (archiveMethod(component) === 'plugin' && at('backup.barmanObjectStore') !== undefined)
    found.push({
      field: 'backup.barmanObjectStore',
      why: 'would be a second archiver beside the plugin. Declare archive: { method, store, prefix } in the stack file',
    })
  const plugins = at('plugins')
  for (const plugin of Array.isArray(plugins) ? plugins : [])
    if (isObject(plugin) && plugin.isWALArchiver === true && plugin.name !== PLUGIN)
      found.push({
        field: `plugins[${String(plugin.name)}]`,
        why: 'would be a second archiver. Leave isWALArchiver out',
      })
  const segment = at('bootstrap.initdb.walSegmentSize')
  if (segment !== undefined && !isSegmentSize(segment))
    found.push({
      field: 'bootstrap.initdb.walSegmentSize',
      why: `is ${String(segment)}: PostgreSQL has segments of 1, 2, 4, 8, 16, 32, 64, 128, 256, 512 or 1024 MB`,
    })
  const certificates = at('certificates')
  if (follows(component) === 'archive-and-streaming' && isObject(certificates))
    for (const key of Object.keys(certificates))
      if (key !== 'serverAltDNSNames')
        found.push({
          field: `certificates.${key}`,
          why: 'would leave the copies without the Secrets that the operator makes for streaming. Leave it out, or declare follow: archive',
        })
  return found
}
