import { accessKeys } from '../../../clients/access-keys.ts'
import { isLogin } from '../../../clients/object-store-client.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { Deployment, DeployUnit } from '../../../driver/deployment.ts'
import { conditionOf } from '../../../platform/kubernetes/client/conditions.ts'
import { type DeclaredObject, objectsUnit } from '../../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import type { JsonObject } from '../../../values/json.ts'
import { codes } from '../codes.ts'
import { type ClusterObject, HEALTHY, readCluster } from '../objects.ts'
import { archiveMethod, clusterOf, type Database, follows, otherSites } from '../spec.ts'
import { adopting } from './adopt-cluster.ts'
import { archivesOf } from './archives.ts'
import { firstBackupUnit } from './deploy-first-backup.ts'
import { failedBootstrap, refusedBootstrap, stuckBootstrap } from './failed-bootstrap.ts'
import { isLeftBehind, refuseForeignRole } from './foreign-role.ts'
import {
  type Archive,
  archiveSecret,
  bootstrapOf,
  clusterManifest,
  noArchiveName,
  objectStoreManifest,
  scheduleManifest,
} from './manifests.ts'
import { assertSecretsMatch } from './must-match-secrets.ts'
import { mustBeCloned, type Place, unitId } from './place.ts'
import { beginningAt } from './situation.ts'
import { streamableFrom, streamingCopies, streamingUnit } from './streaming.ts'
import { readUserSpec } from './user-spec.ts'

/** Archive access, cluster, first backup, streaming identity and schedule of one site. */
export async function deployCluster(
  component: Database,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  // Comes first: where a namespace is gone, its Secrets are gone as well, and advice to create them would be wrong.
  await beginningAt({ component, site, deployment, context })
  await assertSecretsMatch(component, context)
  const place: Place = { component, site, deployment, context }
  const active = deployment.roleOf(site) === 'active'
  const streaming = follows(component) === 'archive-and-streaming'
  return [
    accessUnit(place),
    clusterUnit(place),
    ...(active ? [firstBackupUnit(place)] : []),
    ...(streaming ? [streamingUnit(place), followUnit(place)] : []),
    ...(component.spec.schedule === undefined ? [] : [scheduleUnit(place, component.spec.schedule, !active)]),
  ]
}

function accessUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  return objectsUnit({
    id: unitId(place, 'access'),
    site,
    needs: [],
    title: `Access of ${clusterOf(component, site)} to the archives: its own to write, the others to read`,
    deadline: minutes(1),
    kubernetes: context.platform(KUBERNETES, site),
    async declare() {
      const archives = await archivesOf(place)
      const secrets = archives.map(async (archive) => {
        const pair = archive.site === site ? archive.location.credentials : archive.location.readCredentials
        const keys = isLogin(pair)
          ? null
          : await accessKeys(pair, (reference) => context.credential(reference, archive.site))
        return archiveSecret(component, context.stack, archive, keys)
      })
      return [
        ...(await Promise.all(secrets)),
        ...(archiveMethod(component) === 'plugin' ? storesOf(place, archives) : []),
      ]
    },
  })
}

/**
 * The archives that the plugin of this site may be pointed at: every site's, and an empty one. The empty one has the
 * authorities of an archive that has any (`mayLeaveArchive`).
 */
export function storesOf(
  { component, site, context }: Pick<Place, 'component' | 'site'> & { readonly context: Pick<DriverContext, 'stack'> },
  archives: readonly Archive[],
): DeclaredObject[] {
  const { retention } = component.spec
  const secure = archives.find(({ location }) => location.authorities !== undefined)
  return archives.flatMap((archive) => {
    const declared = (more = {}, of = archive): DeclaredObject =>
      objectStoreManifest(component, context.stack, of, more)
    if (archive.site !== site) return [declared()]
    return [
      declared(retention === undefined ? {} : { retention }),
      declared({ name: noArchiveName(component) }, secure ?? archive),
    ]
  })
}

function clusterUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  const first = place.deployment.activeSite
  const cloned = mustBeCloned(place)
  const declare = async (signal: AbortSignal): Promise<DeclaredObject> =>
    declareCluster(place, await streamableFrom(place, signal), signal)
  const unit = objectsUnit({
    id: unitId(place, 'cluster'),
    site,
    needs: [
      unitId(place, 'access'),
      ...(cloned ? [unitId(place, 'first-backup', first)] : []),
      ...(cloned && follows(component) === 'archive-and-streaming' ? [unitId(place, 'streaming')] : []),
    ],
    title: `The cluster ${clusterOf(component, site)}`,
    deadline: minutes(20),
    kubernetes: context.platform(KUBERNETES, site),
    declare: async (signal) => [await declare(signal)],
    ready: steadily(place),
  })
  return adopting(place, unit, declare)
}

/** The second pass of a first deploy: a cluster can stream from the others as soon as they exist. */
function followUnit(place: Place): DeployUnit {
  const { component, site, context, deployment } = place
  const others = otherSites(context.stack, site)
  const cloned = mustBeCloned(place)
  const later = cloned
    ? others.filter(
        (other) => deployment.roleOf(other) === 'passive' && deployment.observed[other]?.kind !== 'answering',
      )
    : []
  return objectsUnit({
    id: unitId(place, 'follow'),
    site,
    needs: [
      unitId(place, 'cluster'),
      unitId(place, 'streaming'),
      ...later.map((other) => unitId(place, 'cluster', other)),
    ],
    title: `${clusterOf(component, site)} can stream from the other site`,
    deadline: minutes(5),
    kubernetes: context.platform(KUBERNETES, site),
    declare: async (signal) => [
      ...(await streamingCopies(place, later, signal)),
      await declareCluster(place, others, signal),
    ],
    ready: steadily(place),
  })
}

/**
 * The Cluster of a site as it is declared now. `serverNames` names incarnations that are yet to begin. Throws
 * `roles-disagree`, `archive-forked` or `history-forked` when what is live has another role, or cannot have its own.
 */
export async function declareCluster(
  place: Place,
  streaming: readonly SiteName[],
  signal: AbortSignal,
  serverNames: Readonly<Record<string, string>> = {},
): Promise<DeclaredObject> {
  const { component, site, context, deployment } = place
  const live = await readCluster(
    context.platform(KUBERNETES, site),
    component.spec.namespace,
    clusterOf(component, site),
    signal,
  )
  const active = clusterOf(component, deployment.activeSite)
  const leftBehind = await isLeftBehind(place, live, active)
  if (!leftBehind) await refuseForeignRole(place, live, active)
  const userSpec = await readUserSpec(component, context.stack)
  const declared = clusterManifest({
    component,
    stack: context.stack,
    site,
    archives: await archivesOf(place, serverNames),
    userSpec,
    // Moves own the role: a deploy keeps the live one. A passive site that a move did not reach stays passive.
    replica:
      live?.spec.replica?.primary === undefined || leftBehind
        ? { primary: active, source: sourceOf(place) }
        : { primary: live.spec.replica.primary, source: live.spec.replica.source ?? sourceOf(place) },
    bootstrap: (live?.spec.bootstrap as JsonObject | undefined) ?? (await firstBootstrap(place, active, userSpec)),
    streaming,
  })
  return live === null ? declared : sameAs(live, declared)
}

/**
 * Keeps the UID of the object that was read: where it is deleted meanwhile, the API server refuses to make another one.
 */
function sameAs({ metadata: { uid } }: ClusterObject, { plural, object }: DeclaredObject): DeclaredObject {
  return { plural, object: uid === undefined ? object : { ...object, metadata: { ...object.metadata, uid } } }
}

/**
 * Looks again right before the effect: an active database that has gone since the deploy began is not made anew empty.
 */
async function firstBootstrap(place: Place, active: string, userSpec: JsonObject): Promise<JsonObject> {
  const { component, site, deployment } = place
  if (deployment.roleOf(site) === 'passive') return bootstrapOf(component, active, userSpec)
  await beginningAt(place)
  return bootstrapOf(component, null, userSpec)
}

/** The active cluster's source is where it would follow after a move: the first other site. */
function sourceOf(place: Place): string {
  const { component, site, deployment, context } = place
  const other = deployment.roleOf(site) === 'active' ? otherSites(context.stack, site)[0] : deployment.activeSite
  return clusterOf(component, other ?? deployment.activeSite)
}

/**
 * How soon the operator reacts to a changed Cluster. Until then it still calls it healthy, and it keeps no
 * observedGeneration.
 */
const REACTION = seconds(3)

/** A cluster that was there before is ready once it stays healthy; a new one as soon as it is. */
function steadily(place: Place): (signal: AbortSignal) => Promise<Progress> {
  const existed = place.deployment.observed[place.site]?.kind === 'answering'
  let since: number | null = null
  return async (signal) => {
    const progress = await clusterIsReady(place, signal)
    const now = place.context.clock.now().getTime()
    since = progress.is === 'done' ? (since ?? now) : null
    if (!existed || since === null || now - since >= REACTION) return progress
    return { is: 'pending', waitingFor: `${clusterOf(place.component, place.site)} to stay healthy` }
  }
}

/** How far a Cluster is, with what it proves when it is ready. */
export type Readiness =
  | Exclude<Progress, { readonly is: 'done' }>
  | { readonly is: 'done'; readonly proof: { readonly phase: string; readonly readyInstances: number } }

/** Healthy with all instances; `failed` as soon as its first instance cannot be made. */
export async function clusterIsReady(place: Place, signal: AbortSignal): Promise<Readiness> {
  const { component, site, context } = place
  const name = clusterOf(component, site)
  const cluster = await readCluster(context.platform(KUBERNETES, site), component.spec.namespace, name, signal)
  const { phase = 'no phase yet', phaseReason = '', readyInstances = 0 } = cluster?.status ?? {}
  if (phase.startsWith('Cluster is unrecoverable') || phase === 'Invalid cluster definition')
    return {
      is: 'failed',
      code: codes.code['cluster-unrecoverable'],
      why: `${name}: ${phase} ${phaseReason}`,
      next: `kubectl -n ${component.spec.namespace} describe cluster ${name}`,
    }
  if (phase !== HEALTHY || readyInstances < (cluster?.spec.instances ?? 1)) {
    const at = { kubernetes: context.platform(KUBERNETES, site), namespace: component.spec.namespace, cluster: name }
    const failed = await failedBootstrap(at, signal)
    // One failure may be a moment's; the operator tries again at once.
    if (failed !== null && failed.pods > 1)
      return {
        is: 'failed',
        code: codes.code['database-bootstrap-failed'],
        why: `${failed.pod} failed: ${failed.log}`,
        next: `Mend the cause, delete what was begun (kubectl -n ${component.spec.namespace} delete cluster ${name}), and go on: resume the run, or deploy again.`,
      }
    const refused = await refusedBootstrap(at, codes.code['database-bootstrap-failed'], signal)
    if (refused !== null) return refused
    const stuck = await stuckBootstrap(at, signal)
    return { is: 'pending', waitingFor: `${name}: ${phase}${stuck === null ? '' : ` (${stuck})`}` }
  }
  if (cluster !== null && conditionOf(cluster, 'ContinuousArchiving')?.status === 'False')
    return { is: 'pending', waitingFor: `${name} to archive its WAL` }
  return { is: 'done', proof: { phase, readyInstances } }
}

function scheduleUnit(place: Place, schedule: string, suspend: boolean): DeployUnit {
  const { component, site, context } = place
  return objectsUnit({
    id: unitId(place, 'schedule'),
    site,
    needs: [unitId(place, 'cluster')],
    title: `Scheduled base backups of ${clusterOf(component, site)}${suspend ? ', suspended while it is passive' : ''}`,
    deadline: minutes(1),
    kubernetes: context.platform(KUBERNETES, site),
    declare: async () => [scheduleManifest(component, context.stack, site, schedule, suspend)],
  })
}
