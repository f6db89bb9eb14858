import { createHash } from 'node:crypto'
import type { KubernetesClient, KubernetesObject, ObjectReference } from '../../clients/kubernetes-client.ts'
import type { Progress } from '../../domain/progress.ts'
import type { Change, DeployUnit } from '../../driver/deployment.ts'
import { asStandbyError, failureOf } from '../../errors/standby-error.ts'
import type { Json } from '../../values/json.ts'
import { fieldsThatDiffer } from './fields-that-differ.ts'
import { immutableFields } from './immutable-fields.ts'

/** A Kubernetes object as it is declared, with the plural that its URL needs. */
export interface DeclaredObject {
  readonly plural: string
  readonly object: KubernetesObject
}

export const referenceOf = ({ plural, object }: DeclaredObject): ObjectReference => ({
  apiVersion: object.apiVersion,
  kind: object.kind,
  plural,
  namespace: object.metadata.namespace ?? null,
  name: object.metadata.name,
})

/** Labels of every object that a stack owns. */
export const ownedBy = (stack: string, component: string): Record<string, string> => ({
  'app.kubernetes.io/managed-by': 'standby',
  'standby.dev/stack': stack,
  'standby.dev/component': component,
})

/** Whether a deploy of this stack made or adopted an object. */
export function isOwnedBy({ metadata }: KubernetesObject, stack: string, component: string): boolean {
  return Object.entries(ownedBy(stack, component)).every(([key, value]) => metadata.labels?.[key] === value)
}

/**
 * A unit that keeps some objects in their declared state; `declare` is asked anew each time, so that it may read what
 * is there.
 */
export function objectsUnit(
  unit: Pick<DeployUnit, 'id' | 'site' | 'needs' | 'title' | 'deadline'> & {
    readonly kubernetes: KubernetesClient
    readonly declare: (signal: AbortSignal) => Promise<readonly DeclaredObject[]>
    readonly ready?: (signal: AbortSignal) => Promise<Progress>
  },
): DeployUnit {
  const { kubernetes, declare } = unit
  return {
    id: unit.id,
    site: unit.site,
    needs: unit.needs,
    title: unit.title,
    deadline: unit.deadline,
    async diff(signal) {
      const declared = await declare(signal)
      return (await Promise.all(declared.map((one) => diffObject(kubernetes, one, signal)))).flat()
    },
    async apply(signal) {
      for (const one of await declare(signal)) await kubernetes.apply(one.object, { force: true, signal })
    },
    ready: unit.ready ?? (async () => ({ is: 'done', proof: {} })),
  }
}

/**
 * What the API server would change, defaults and webhooks included, because it is asked to try; what it refuses is a
 * change of that kind.
 */
export async function diffObject(
  kubernetes: KubernetesClient,
  declared: DeclaredObject,
  signal: AbortSignal,
): Promise<Change[]> {
  const object = nameOfObject(declared)
  const { live, wanted } = await liveAndWanted(kubernetes, declared, signal)
  if ('refused' in wanted) {
    const fixed = live === null ? [] : immutableFields(live, declared.object)
    if (fixed.length > 0) return fixed.map((field) => ({ kind: 'refused', object, ...field }))
    return [{ kind: 'refused', object, why: wanted.refused }]
  }
  if (live === null) return [{ kind: 'create', object }]
  const shown = (value: Json): Json => (declared.object.kind === 'Secret' ? hashed(value) : value)
  return fieldsThatDiffer(compared(live), compared(wanted.object)).map(({ path, from, to }) => ({
    kind: 'update',
    object,
    path: path.join('.'),
    ...(from === undefined ? {} : { from: shown(from) }),
    ...(to === undefined ? {} : { to: shown(to) }),
  }))
}

type Tried = Awaited<ReturnType<typeof triedOn>>

/**
 * An object as it is, and as the API server would store it. A write of another writer between the two answers, such as
 * the report of a guard, must not count as our change: if the versions differ, the attempt is repeated.
 */
async function liveAndWanted(
  kubernetes: KubernetesClient,
  declared: DeclaredObject,
  signal: AbortSignal,
): Promise<{ readonly live: KubernetesObject | null; readonly wanted: Tried }> {
  for (let tries = 1; ; tries++) {
    const live = await kubernetes.get(referenceOf(declared), { signal })
    const wanted = await triedOn(kubernetes, declared, signal)
    // An attempt stores nothing: its answer has the version that it was made on.
    const same =
      'refused' in wanted || live === null || wanted.object.metadata.resourceVersion === live.metadata.resourceVersion
    if (same || tries === TRIES) return { live, wanted }
  }
}
/** One that is written to at every moment is compared all the same. */
const TRIES = 4

/** `infisical/Cluster/pg-dc-a`. */
export const nameOfObject = ({ object }: DeclaredObject): string =>
  `${object.metadata.namespace ?? ''}/${object.kind}/${object.metadata.name}`

/**
 * The object as the API server would store it, or why it will not: a field that cannot be changed, a rule, a right, a
 * missing namespace or kind.
 */
export async function triedOn(
  kubernetes: KubernetesClient,
  { object }: DeclaredObject,
  signal: AbortSignal,
): Promise<{ readonly object: KubernetesObject } | { readonly refused: string }> {
  try {
    return { object: await kubernetes.apply(object, { force: true, dryRun: true, signal }) }
  } catch (error) {
    const { code, what, next } = failureOf(asStandbyError(error))
    if (!REFUSALS.has(code)) throw error
    return { refused: `${what}${next === null ? '' : ` (${next})`}` }
  }
}
const REFUSALS = new Set(['kubernetes-invalid', 'kubernetes-forbidden', 'kubernetes-not-found'])

/** What people declare of an object: not what the server counts and stamps. */
function compared(object: KubernetesObject): Json {
  const { metadata, status: _status, ...rest } = object
  return {
    ...rest,
    metadata: { labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {} },
  } as unknown as Json
}

const hashed = (value: Json): string =>
  `sha256:${createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)}`
