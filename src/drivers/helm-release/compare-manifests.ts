import { parseAllDocuments } from 'yaml'
import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Change } from '../../driver/deployment.ts'
import { fieldsThatDiffer } from '../../platform/kubernetes/fields-that-differ.ts'
import type { Json } from '../../values/json.ts'

/** What an upgrade would change of the objects of a release. Pure. */
export function compareManifests(installed: string, rendered: string, namespace: string): Change[] {
  const before = new Map(objectsOf(installed).map((object) => [keyOf(object, namespace), object]))
  const after = new Map(objectsOf(rendered).map((object) => [keyOf(object, namespace), object]))
  const changes: Change[] = []
  for (const [key, object] of after) {
    const old = before.get(key)
    if (old === undefined) changes.push({ kind: 'create', object: key })
    else
      changes.push(
        ...fieldsThatDiffer(withoutStamps(old), withoutStamps(object)).map(
          ({ path, from, to }): Change => ({
            kind: 'update',
            object: key,
            path: path.join('.'),
            ...hidden(key, from, to),
          }),
        ),
      )
  }
  for (const key of before.keys()) if (!after.has(key)) changes.push({ kind: 'delete', object: key })
  return changes
}

/** Whether an upgrade would delete all that is installed. Pure. */
export function keepsNothing(installed: string, rendered: string, namespace: string): boolean {
  const stays = new Set(objectsOf(rendered).map((object) => keyOf(object, namespace)))
  const before = objectsOf(installed).map((object) => keyOf(object, namespace))
  return before.length > 0 && !before.some((key) => stays.has(key))
}

/** The objects of a manifest, as helm prints it. Pure. */
export const objectsOf = (manifest: string): KubernetesObject[] =>
  parseAllDocuments(manifest)
    .map((document) => document.toJS() as KubernetesObject | null)
    .filter((object): object is KubernetesObject => object?.kind !== undefined)

const keyOf = (object: KubernetesObject, namespace: string): string =>
  `${object.metadata.namespace ?? namespace}/${object.kind}/${object.metadata.name}`

/**
 * infisical-standalone writes `updatedAt: {{ now }}` on its objects: a difference in every rendering, and a restart
 * with every upgrade.
 */
const STAMPS = new Set(['updatedAt', 'timestamp', 'rollme'])

function withoutStamps(object: KubernetesObject): Json {
  type Annotated = { metadata?: { annotations?: Record<string, string> } }
  const clone = structuredClone(object) as unknown as Annotated & { spec?: { template?: Annotated } }
  for (const annotated of [clone, clone.spec?.template]) {
    const metadata = annotated?.metadata
    if (metadata === undefined) continue
    const kept = Object.entries(metadata.annotations ?? {}).filter(([key]) => !STAMPS.has(key))
    // An empty mapping, none at all, and one whose only line was a stamp are the same.
    if (kept.length === 0) delete metadata.annotations
    else metadata.annotations = Object.fromEntries(kept)
  }
  return clone as unknown as Json
}

const hidden = (key: string, from: Json | undefined, to: Json | undefined): { from?: Json; to?: Json } =>
  key.includes('/Secret/') ? {} : withoutUndefined(from, to)
const withoutUndefined = (from: Json | undefined, to: Json | undefined): { from?: Json; to?: Json } => ({
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
})
