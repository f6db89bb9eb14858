import type { KubernetesObject } from '../../clients/kubernetes-client.ts'

/** Under which name this project writes to Kubernetes. */
const OURS = 'standby'
/** Who writes on behalf of a person, once: kubectl in all its commands, and helm. */
const BY_HAND = /^(kubectl|helm|Helm)/

/** One entry of `metadata.managedFields`: who wrote which fields last. */
interface ManagedFields {
  readonly manager?: string
  readonly operation?: string
  /** ISO 8601. */
  readonly time?: string
  readonly fieldsV1?: Fields
}
interface Fields {
  readonly [key: string]: Fields
}

/** Another controller that keeps an object as it wants it, and the command that pauses it. */
export interface OtherController {
  readonly who: string
  readonly pause: string
  /** Whether it writes the very field that a move changes; else it only says that it keeps the object. */
  readonly writes: boolean
}

const entriesOf = (object: KubernetesObject): readonly ManagedFields[] =>
  Array.isArray(object.metadata.managedFields) ? (object.metadata.managedFields as readonly ManagedFields[]) : []

/** `path`: `['spec', 'replica', 'primary']`. */
function writes({ fieldsV1 }: ManagedFields, path: readonly string[]): boolean {
  let at: Fields | undefined = fieldsV1
  for (const name of path) at = at?.[`f:${name}`]
  return at !== undefined
}

const newestOf = (object: KubernetesObject, path: readonly string[]): ManagedFields | undefined =>
  entriesOf(object)
    .filter((entry) => entry.manager !== OURS && writes(entry, path))
    .toSorted((a, b) => ((a.time ?? '') < (b.time ?? '') ? 1 : -1))[0]

/** The manager beside ours that wrote a field last; null where none did, or the API server does not say. Pure. */
export const writerOf = (object: KubernetesObject, path: readonly string[]): string | null =>
  newestOf(object, path)?.manager ?? null

/** Identifies that write: a different value means that another write has followed. Pure. */
export function lastWriteOf(object: KubernetesObject, path: readonly string[]): string | null {
  const newest = newestOf(object, path)
  return newest === undefined ? null : `${newest.manager} ${newest.time}`
}

/** The same for a sentence. */
export const lastWriterOf = (object: KubernetesObject, path: readonly string[]): string =>
  writerOf(object, path) ?? 'another manager'

/**
 * Whether a manager of `spec.replicas` is a HorizontalPodAutoscaler: it follows the load, and leaves a workload of no
 * replicas alone. Pure.
 */
export const isAutoscaler = (manager: string): boolean => manager === AUTOSCALER

const LABELS = {
  argo: 'argocd.argoproj.io/instance',
  kustomization: 'kustomize.toolkit.fluxcd.io/name',
  kustomizationIn: 'kustomize.toolkit.fluxcd.io/namespace',
  release: 'helm.toolkit.fluxcd.io/name',
  releaseIn: 'helm.toolkit.fluxcd.io/namespace',
} as const
const ARGO_TRACKING = 'argocd.argoproj.io/tracking-id'
const FLUX_RECONCILE = 'kustomize.toolkit.fluxcd.io/reconcile'

/**
 * The controllers that keep an object, or one field of it, in the state that they know: by the marks that Argo CD and
 * Flux leave on what they apply, and by the managers of the field. None that is said to leave the object alone.
 * `operator`: the names of the one to whose kind the object belongs. Pure.
 */
export function controllersOf(
  object: KubernetesObject,
  path: readonly string[],
  operator: RegExp = NOBODY,
): OtherController[] {
  const { labels = {}, annotations = {} } = object.metadata
  const managers = entriesOf(object).flatMap((entry) =>
    writes(entry, path) && entry.manager !== undefined ? [entry.manager] : [],
  )
  const has = (manager: RegExp): boolean => managers.some((name) => manager.test(name))
  const found: OtherController[] = []
  const application = labels[LABELS.argo] ?? annotations[ARGO_TRACKING]?.split(':')[0]
  if (application !== undefined || has(ARGO))
    found.push({
      who: application === undefined ? 'Argo CD' : `Argo CD (application ${application})`,
      pause: `argocd app set ${application ?? '<application>'} --sync-policy none`,
      writes: has(ARGO),
    })
  const kustomization = labels[LABELS.kustomization]
  const disabled = annotations[FLUX_RECONCILE] === 'disabled'
  if (!disabled && (kustomization !== undefined || has(KUSTOMIZE)))
    found.push({
      who: kustomization === undefined ? 'Flux' : `Flux (kustomization ${kustomization})`,
      pause: `flux suspend kustomization ${kustomization ?? '<name>'}${inNamespace(labels[LABELS.kustomizationIn])}`,
      writes: has(KUSTOMIZE),
    })
  const release = labels[LABELS.release]
  if (release !== undefined || has(HELM_CONTROLLER))
    found.push({
      who: release === undefined ? 'Flux (helm-controller)' : `Flux (HelmRelease ${release})`,
      pause: `flux suspend helmrelease ${release ?? '<name>'}${inNamespace(labels[LABELS.releaseIn])}`,
      writes: has(HELM_CONTROLLER),
    })
  if (has(KEDA))
    found.push({
      who: 'KEDA',
      pause: 'kubectl annotate scaledobject <name> autoscaling.keda.sh/paused=true',
      writes: true,
    })
  const unknown = managers.filter(
    (name) => name !== OURS && ![BY_HAND, operator, ...KNOWN].some((known) => known.test(name)),
  )
  return [...found, ...unknown.map((who) => ({ who, pause: `Pause ${who} for this object`, writes: true }))]
}
const [ARGO, KUSTOMIZE, HELM_CONTROLLER, KEDA] = [
  /^argocd/,
  /^kustomize-controller$/,
  /^helm-controller$/,
  /^keda/,
] as const
/** What is a part of Kubernetes: an autoscaler leaves a workload of no replicas alone. */
const KUBERNETES = /^(kube-controller-manager|before-first-apply)/
const NOBODY = /^$/
/** A HorizontalPodAutoscaler, which is a part of the controller manager of Kubernetes. */
const AUTOSCALER = 'kube-controller-manager'
const KNOWN = [ARGO, KUSTOMIZE, HELM_CONTROLLER, KEDA, KUBERNETES] as const
const inNamespace = (namespace: string | undefined): string =>
  namespace === undefined ? '' : ` --namespace ${namespace}`

/** How to pause the controller that wrote a field last. */
export const pauseOf = (...of: Parameters<typeof controllersOf>): string =>
  controllersOf(...of).find(({ writes: owns }) => owns)?.pause ?? 'Find out who keeps this object, and pause it'
