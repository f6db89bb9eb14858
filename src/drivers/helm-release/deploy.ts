import type { KubernetesClient, KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit, Role } from '../../driver/deployment.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { minutes } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { compareManifests, keepsNothing, objectsOf } from './compare-manifests.ts'
import { chartArguments, type Helm, type LiveRelease, liveRelease, withHelm } from './helm.ts'
import { type Application, valuesFiles, workloadRef } from './spec.ts'
import { asTransientFailure } from './transient-failure.ts'
import { rollout } from './workload.ts'

/** The release of one site, with the values of its role. */
export async function deployRelease(
  component: Application,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  const role = deployment.roleOf(site)
  const isAt = async (other: SiteName, signal: AbortSignal): Promise<boolean> =>
    withHelm(other, { ...context, signal }, async (helm) => (await liveRelease(helm, component)) !== null)
  return [
    {
      id: `${component.name}.release@${site}`,
      site,
      needs: [],
      title: `The release ${component.spec.release} with the values of the ${role} role`,
      deadline: minutes(15),
      diff: (signal) =>
        withHelm(site, { ...context, signal }, async (helm) => {
          const { live, changes, keepsNothing } = await comparison(helm, component, role, site, { ...context, signal })
          const { epoch, activeSite, adopt } = deployment
          // A component that is new to the stack may have been given the name of another application.
          const others = epoch === null || keepsNothing
          const ends =
            live !== null &&
            role === 'passive' &&
            (others || (changes.some((one) => stops(one, component)) && (await runs(component, site, context, signal))))
          const only = ends && !(await isAt(activeSite, signal)) ? { site, named: activeSite, epoch } : null
          if (others) return [...changes, ...ofOthers(live, component, adopt, changes, only)]
          return only === null ? changes : [...changes, stopsTheOnly(component, only)]
        }),
      apply: (signal) => upgrade(component, role, site, { ...context, signal }),
      ready: (signal) => ready(component, context.platform(KUBERNETES, site), signal),
    },
  ]
}

async function ready(component: Application, kubernetes: KubernetesClient, signal: AbortSignal): Promise<Progress> {
  const seen = await rollout(kubernetes, component, null, signal)
  if (seen.is !== 'done') return seen
  const { replicas, ready, image } = seen.proof
  return { is: 'done', proof: { replicas, ready, image } }
}

/**
 * A release was made by others if it is there before the first deploy, or if an upgrade would leave nothing of it. It
 * is adopted only on request, and only where nothing of it is lost: helm would delete what the declared chart and
 * values leave out. Pure.
 */
export function ofOthers(
  live: LiveRelease | null,
  component: Application,
  adopt: boolean,
  changes: readonly Change[],
  only: OnlyRelease | null = null,
): Change[] {
  if (live === null) return []
  const object = releaseName(component)
  if (!adopt)
    return [
      {
        kind: 'refused',
        object,
        why: `made-by-others: it exists (revision ${live.revision}, ${live.chart}), and no deploy of this stack made it. To take it over: standby deploy --adopt --dry-run shows what would differ`,
      },
    ]
  if (only !== null) return [stopsTheOnly(component, only)]
  const gone = changes.filter(({ kind }) => kind === 'delete')
  return [
    { kind: 'keep', object, path: 'chart', from: `${live.chart}, revision ${live.revision}` },
    ...gone.map(
      (change): Change => ({
        ...change,
        kind: 'refused',
        why: 'it would be deleted. Declare the chart and the values that it was made with',
      }),
    ),
  ]
}

/** A release on a passive site, while the site that counts as active (`named`) has none. */
interface OnlyRelease {
  readonly site: SiteName
  readonly named: SiteName
  /** null: `named` comes from the stack file, not from the witness. */
  readonly epoch: number | null
}

/** Its users would be served no more, or by an application that begins empty. Pure. */
function stopsTheOnly(component: Application, { site, named, epoch }: OnlyRelease): Change {
  const { namespace, release, workload } = component.spec
  const because =
    epoch === null
      ? `the stack file names ${named} as initialActive, which has none. If ${site} is the site that serves, name that one`
      : `the witness names ${named} as the active site, which has none. If it serves, keep this component out of the stack file until the stack has been moved to ${site}; if it is not needed, kubectl -n ${namespace} scale ${workload.kind.toLowerCase()} ${workload.name} --replicas 0 on ${site}`
  return {
    kind: 'refused',
    object: releaseName(component),
    why: `made-by-others: ${release} is the only one, and would be stopped: ${because}`,
  }
}

const releaseName = ({ spec: { namespace, release } }: Application): string => `${namespace}/HelmRelease/${release}`

const stops = ({ object, path, to }: Change, component: Application): boolean =>
  object === workloadName(component) && path === 'spec.replicas' && to === 0

/** Whether its workload has at least one declared replica. */
async function runs(
  component: Application,
  site: SiteName,
  context: DriverContext,
  signal: AbortSignal,
): Promise<boolean> {
  const live = await context.platform(KUBERNETES, site).get(workloadRef(component), { signal })
  return live !== null && replicasOf(live) !== 0
}

/** Installs or upgrades without helm's own waiting: ours finds the true reason of a failure, and earlier. */
export async function upgrade(
  component: Application,
  role: Role,
  site: SiteName,
  context: DriverContext,
): Promise<void> {
  const upgraded = withHelm(site, context, async (helm) => {
    await refusePending(helm, component, site)
    const withoutNotes = await withoutNotesArguments(helm)
    await helm(
      [
        'upgrade',
        '--install',
        component.spec.release,
        ...chartArguments(component, context, valuesFiles(component, role)),
        '--history-max',
        '10',
        ...(await withoutStampArguments(helm)),
        ...withoutNotes,
      ],
      { live: withoutNotes.length > 0 },
    )
  })
  await upgraded.catch(async (error: unknown) => {
    throw await asTransientFailure(error, component, site, context)
  })
  if (role === 'active') await wake(component, site, context)
  else await putToSleep(component, site, context, 'where its values say no number')
}

/**
 * Values that leave the replicas to an autoscaler start nothing, and an autoscaler leaves a workload of no replicas
 * alone.
 */
async function wake(component: Application, site: SiteName, context: DriverContext): Promise<void> {
  const live = await context.platform(KUBERNETES, site).get(workloadRef(component), { signal: context.signal })
  if (live === null || replicasOf(live) !== 0) return
  await setReplicas(
    component,
    site,
    live,
    await withHelm(site, context, (helm) => replicasOfRole(helm, component, 'active', context)),
    context,
  )
}

/**
 * Values without a number leave the replicas as they are, and a new workload begins with one. On a passive site no pod
 * of it may run.
 */
export async function putToSleep(
  component: Application,
  site: SiteName,
  context: DriverContext,
  when: 'where its values say no number' | 'whatever its values say',
): Promise<void> {
  const live = await context.platform(KUBERNETES, site).get(workloadRef(component), { signal: context.signal })
  if (live === null || replicasOf(live) === 0) return
  if (when === 'where its values say no number') {
    const said = await withHelm(site, context, (helm) => replicasSaid(helm, component, 'passive', context))
    if (said !== null) return
  }
  await setReplicas(component, site, live, 0, context)
}

/** Refused where the workload has changed since it was seen. */
async function setReplicas(
  component: Application,
  site: SiteName,
  { metadata: { resourceVersion = '' } }: KubernetesObject,
  replicas: number,
  context: DriverContext,
): Promise<void> {
  await context
    .platform(KUBERNETES, site)
    .patch(workloadRef(component), { spec: { replicas } }, { resourceVersion, signal: context.signal })
}

/**
 * infisical-standalone writes the time into its pod template, so that every upgrade restarts every pod: after a move,
 * the ones that have just begun to serve. The line is removed before it is installed. Helm 4 takes only plugins here;
 * there, pods restart one by one.
 */
async function withoutStampArguments(helm: Helm): Promise<string[]> {
  const version = await helm(['version', '--template', '{{.Version}}'])
  return version.startsWith('v3.') ? ['--post-renderer', 'sed', '--post-renderer-args', STAMPED_LINE] : []
}
const STAMPED_LINE = '/^ *updatedAt: "\\{0,1\\}[0-9]\\{4\\}-[0-9]\\{2\\}-[0-9]\\{2\\}/d'

/**
 * The notes of a chart may name what it has generated, such as a password, and are kept from the log. A helm before
 * 3.16 cannot leave them out: its output is not shown at all.
 */
const withoutNotesArguments = async (helm: Helm): Promise<string[]> =>
  (await helm(['upgrade', '--help'])).includes(HIDE_NOTES) ? [HIDE_NOTES] : []
const HIDE_NOTES = '--hide-notes'

/** A release that a killed helm has left pending refuses every further command: refused before anything is tried. */
async function refusePending(helm: Helm, component: Application, site: SiteName): Promise<void> {
  const live = await liveRelease(helm, component)
  if (live === null || !isPending(live)) return
  throw codes.error('release-pending', pendingText(component, live), {
    retry: 'never',
    where: `${site} ${component.spec.namespace}/${component.spec.release}`,
    next: freedBy(component),
  })
}

const isPending = ({ status }: LiveRelease): boolean => status.startsWith('pending-')
const pendingText = ({ spec: { release } }: Application, { status, revision }: LiveRelease): string =>
  `the release ${release} is ${status} since revision ${revision}: an earlier helm was interrupted`
const freedBy = ({ spec: { release, namespace } }: Application): string =>
  `If no helm runs any more: helm rollback ${release} --namespace ${namespace}`

/** What an upgrade would change, object by object. A time that a chart stamps into every pod is no difference. */
export const differences = async (...of: Parameters<typeof comparison>): Promise<Change[]> =>
  (await comparison(...of)).changes

interface Comparison {
  readonly live: LiveRelease | null
  readonly changes: Change[]
  /** None of the installed objects would stay. */
  readonly keepsNothing: boolean
}

/** Compares what is installed with what the chart renders for a role. */
export async function comparison(
  helm: Helm,
  component: Application,
  role: Role,
  site: SiteName,
  context: DriverContext,
): Promise<Comparison> {
  const { namespace, release } = component.spec
  const name = releaseName(component)
  const live = await liveRelease(helm, component).catch(async (error: unknown) => {
    throw await asTransientFailure(error, component, site, context)
  })
  if (live === null) return { live, changes: [{ kind: 'create', object: name }], keepsNothing: false }
  if (isPending(live)) {
    const why = `release-pending: ${pendingText(component, live)}. ${freedBy(component)}`
    return { live, changes: [{ kind: 'refused', object: name, path: 'status', why }], keepsNothing: false }
  }
  const [rendered, installed] = await Promise.all([
    helm([
      'template',
      release,
      ...chartArguments(component, context, valuesFiles(component, role)),
      '--no-hooks',
      '--is-upgrade',
    ]),
    helm(['get', 'manifest', release, '--namespace', namespace]),
  ])
  const changes = compareManifests(installed, rendered, namespace)
  const failed: Change[] =
    live.status === 'deployed'
      ? []
      : [{ kind: 'update', object: name, path: 'status', from: live.status, to: 'deployed' }]
  return {
    live,
    changes: [
      ...failed,
      ...changes,
      ...(await scaledByHand(
        component,
        site,
        replicasIn(rendered, component) ?? (role === 'active' ? AT_LEAST_ONE : 0),
        context,
      )),
    ],
    keepsNothing: keepsNothing(installed, rendered, namespace),
  }
}

/** The replicas with which an autoscaler begins: any number but zero is its own decision. */
const AT_LEAST_ONE = 'at least one'

/** A move scales the workload before the release has that number. Until both agree a deploy has a change to make. */
async function scaledByHand(
  component: Application,
  site: SiteName,
  wanted: number | typeof AT_LEAST_ONE,
  context: DriverContext,
): Promise<Change[]> {
  const ref = workloadRef(component)
  const live = await context.platform(KUBERNETES, site).get(ref, { signal: context.signal })
  const now = live === null ? undefined : replicasOf(live)
  const agrees = wanted === AT_LEAST_ONE ? now !== 0 : wanted === now
  if (now === undefined || agrees) return []
  const to = wanted === AT_LEAST_ONE ? 1 : wanted
  return [{ kind: 'update', object: workloadName(component), path: 'spec.replicas', from: now, to }]
}

/** The workload, as changes name it. */
export function workloadName(component: Application): string {
  const { namespace, kind, name } = workloadRef(component)
  return `${namespace}/${kind}/${name}`
}

const replicasOf = ({ spec }: KubernetesObject): number | undefined =>
  (spec as { readonly replicas?: number } | undefined)?.replicas

/** How many replicas the values of a role ask for; one where they leave it to an autoscaler. */
export async function replicasOfRole(
  helm: Helm,
  component: Application,
  role: Role,
  context: DriverContext,
): Promise<number> {
  return (await replicasSaid(helm, component, role, context)) ?? 1
}

async function replicasSaid(
  helm: Helm,
  component: Application,
  role: Role,
  context: DriverContext,
): Promise<number | null> {
  const values = valuesFiles(component, role)
  const rendered = await helm([
    'template',
    component.spec.release,
    ...chartArguments(component, context, values),
    '--no-hooks',
  ])
  return replicasIn(rendered, component)
}

function replicasIn(rendered: string, component: Application): number | null {
  const ref = workloadRef(component)
  const workload = objectsOf(rendered).find((object) => object.kind === ref.kind && object.metadata.name === ref.name)
  return (workload?.spec as { replicas?: number } | undefined)?.replicas ?? null
}
