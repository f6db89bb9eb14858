import { readConfigEntry } from '../../../clients/consul/config-entries.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { Change, DeployUnit } from '../../../driver/deployment.ts'
import { minutes } from '../../../values/duration.ts'
import { canonicalJson, isObject, type Json, type JsonObject } from '../../../values/json.ts'
import { askSite, seenIfThere } from '../ask.ts'
import type { Federation } from '../spec.ts'
import { writeEntry } from '../write-entry.ts'

/** A configuration entry of the mesh: the fields that are declared of it, and no other. */
interface DeclaredEntry {
  readonly kind: string
  readonly name: string
  readonly fields: JsonObject
}

/** The entries that mesh gateways need. Pure. */
function declaredEntries({ spec: { meshGateways } }: Federation): DeclaredEntry[] {
  if (meshGateways === undefined) return []
  const { mode, mesh } = meshGateways
  return [
    { kind: 'proxy-defaults', name: 'global', fields: { MeshGateway: { Mode: mode } } },
    ...(mesh === undefined ? [] : [{ kind: 'mesh', name: 'mesh', fields: mesh }]),
  ]
}

/** One unit for each of them, at the site of the primary datacenter: the others get them from there. */
export const meshUnits = (component: Federation, site: SiteName, context: DriverContext): DeployUnit[] =>
  declaredEntries(component).map((declared) => entryUnit(component, site, declared, context))

function entryUnit(component: Federation, site: SiteName, declared: DeclaredEntry, context: DriverContext): DeployUnit {
  const { kind, name, fields } = declared
  const look = async (signal: AbortSignal) => {
    const client = askSite(component, site, context, { signal })
    return { client, entry: await readConfigEntry(client, kind, name) }
  }
  return {
    id: `${component.name}.${kind}@${site}`,
    site,
    needs: [],
    title: `Writes the configuration entry ${kind}`,
    deadline: minutes(2),
    async diff(signal): Promise<Change[]> {
      const { entry = null } = (await seenIfThere(() => look(signal))) ?? {}
      return differences(fields, entry?.definition ?? {}).map(({ path, from, to }) => ({
        kind: entry === null ? 'create' : 'update',
        object: `${kind}/${name}`,
        path,
        ...(from === undefined ? {} : { from }),
        to,
      }))
    },
    async apply(signal) {
      const { client, entry } = await look(signal)
      const kept = entry?.definition ?? {}
      if (differences(fields, kept).length > 0)
        await writeEntry(client, declared, merged(kept, fields), entry?.modifyIndex ?? 0)
    },
    async ready(signal): Promise<Progress> {
      const { entry } = await look(signal)
      const left = differences(fields, entry?.definition ?? {})
      return left.length === 0
        ? { is: 'done', proof: { entry: `${kind}/${name}` } }
        : { is: 'pending', waitingFor: `${kind} to hold ${left.map(({ path }) => path).join(', ')}` }
    },
  }
}

/** What is kept, with each declared field in its place: what others declare in the entry stays. */
const merged = (kept: JsonObject, declared: JsonObject): JsonObject => ({
  ...kept,
  ...Object.fromEntries(
    Object.entries(declared).map(([field, value]) => {
      const before = kept[field]
      return [field, isObject(value) && isObject(before) ? merged(before, value) : value]
    }),
  ),
})

/** Where an entry does not hold what is declared of it: each field by its path. Pure. */
export function differences(
  declared: JsonObject,
  kept: JsonObject,
  above = '',
): { readonly path: string; readonly from: Json | undefined; readonly to: Json }[] {
  return Object.entries(declared).flatMap(([field, to]) => {
    const from = kept[field]
    const path = `${above}${field}`
    if (isObject(to)) return differences(to, isObject(from) ? from : {}, `${path}.`)
    return from !== undefined && canonicalJson(from) === canonicalJson(to) ? [] : [{ path, from, to }]
  })
}
