import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import { minutes } from '../../duration.ts'
import { siteError } from '../../errors.ts'
import type { JsonObject } from '../../json.ts'
import type { Deployment, DeployUnit, DriverContext, Progress } from '../../planning/driver.ts'
import type { SiteName } from '../../stack/stack.ts'
import { objectsUnit } from '../declared-objects.ts'
import {
  type Archive,
  archiveSecret,
  backupManifest,
  bootstrapOf,
  clusterManifest,
  copiedSecrets,
  copiedStreamingSecrets,
  objectStoreManifest,
  scheduleManifest,
  streamingSecrets,
} from './manifests.ts'
import { BACKUP, type ClusterObject, conditionOf, HEALTHY, readCluster, SECRET, serverNameOf } from './objects.ts'
import { archiveMethod, clusterOf, type Database, firstServerName, follows, otherSites } from './spec.ts'

/** What all units of one site work with. */
interface Place {
  readonly component: Database
  readonly site: SiteName
  readonly deployment: Deployment
  readonly context: DriverContext
}

/** Archive access, cluster, first backup, streaming identity and schedule of one site. */
export async function deployCluster(
  component: Database,
  site: SiteName | null,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  if (site === null) return []
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

const unitId = (place: Place, what: string, site = place.site): string => `${place.component.name}.${what}@${site}`

/** Whether this site's cluster has to be cloned from the active one, which then must be there first. */
const mustBeCloned = (place: Place): boolean =>
  place.deployment.roleOf(place.site) === 'passive' && place.deployment.observed[place.site]?.kind !== 'answering'

function accessUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  return objectsUnit({
    id: unitId(place, 'access'),
    site,
    needs: [],
    title: `Access of ${clusterOf(component, site)} to the archives: its own to write, the others to read`,
    deadline: minutes(1),
    kubernetes: context.kubernetes(site),
    async declare() {
      const archives = await archivesOf(place)
      const secrets = archives.map(async (archive) => {
        const pair = archive.site === site ? archive.location.credentials : archive.location.readCredentials
        const keys = {
          id: await context.credential(pair.accessKeyId, archive.site),
          secret: await context.credential(pair.secretAccessKey, archive.site),
        }
        return archiveSecret(component, context.stack, archive.site, keys)
      })
      const stores =
        archiveMethod(component) === 'plugin' ? archives.map((archive) => objectStoreManifest(component, context.stack, archive)) : []
      return [...(await Promise.all(secrets)), ...stores]
    },
  })
}

function clusterUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  const first = place.deployment.activeSite
  const cloned = mustBeCloned(place)
  return objectsUnit({
    id: unitId(place, 'cluster'),
    site,
    needs: [
      unitId(place, 'access'),
      ...(cloned ? [unitId(place, 'first-backup', first)] : []),
      ...(cloned && follows(component) === 'archive-and-streaming' ? [unitId(place, 'streaming')] : []),
    ],
    title: `The cluster ${clusterOf(component, site)}`,
    deadline: minutes(20),
    kubernetes: context.kubernetes(site),
    declare: async (signal) => [await declareCluster(place, await hasStreamingSecrets(place, signal), signal)],
    ready: (signal) => clusterIsReady(place, signal),
  })
}

/** The second pass of a first deploy: the active cluster learns to stream from the other one as soon as that one exists. */
function followUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  return objectsUnit({
    id: unitId(place, 'follow'),
    site,
    needs: [unitId(place, 'cluster'), unitId(place, 'streaming')],
    title: `${clusterOf(component, site)} can stream from the other site`,
    deadline: minutes(5),
    kubernetes: context.kubernetes(site),
    declare: async (signal) => [await declareCluster(place, true, signal)],
    ready: (signal) => clusterIsReady(place, signal),
  })
}

async function declareCluster(place: Place, streaming: boolean, signal: AbortSignal) {
  const { component, site, context, deployment } = place
  const live = await readCluster(context.kubernetes(site), component.spec.namespace, clusterOf(component, site), signal)
  const active = clusterOf(component, deployment.activeSite)
  refuseForeignRole(place, live, active)
  return clusterManifest({
    component,
    stack: context.stack,
    site,
    archives: await archivesOf(place),
    userSpec: await userSpecOf(component, context),
    // Owned by moves: what is live stays, a deploy never flips a role.
    replica:
      live?.spec.replica?.primary === undefined
        ? { primary: active, source: sourceOf(place) }
        : { primary: live.spec.replica.primary, source: live.spec.replica.source ?? sourceOf(place) },
    bootstrap:
      (live?.spec.bootstrap as JsonObject | undefined) ?? bootstrapOf(component, deployment.roleOf(site) === 'active' ? null : active),
    streaming,
  })
}

/** Witness and cluster disagree: a deploy settles that for neither of them. */
function refuseForeignRole(place: Place, live: ClusterObject | null, active: string): void {
  const primary = live?.spec.replica?.primary
  if (primary === undefined || primary === active) return
  throw siteError(
    'roles-disagree',
    `${clusterOf(place.component, place.site)} follows ${primary}, and the witness says that ${place.deployment.activeSite} is active`,
    {
      where: `${place.site} ${place.component.spec.namespace}/Cluster/${clusterOf(place.component, place.site)}`,
      next: 'Finish the move that was begun, or find out who changed spec.replica. Nothing was changed.',
    },
  )
}

/** The active cluster's source is where it would follow after a move: the first other site. */
function sourceOf(place: Place): string {
  const { component, site, deployment, context } = place
  const other = deployment.roleOf(site) === 'active' ? otherSites(context.stack, site)[0] : deployment.activeSite
  return clusterOf(component, other ?? deployment.activeSite)
}

async function userSpecOf(component: Database, context: DriverContext): Promise<JsonObject> {
  if (component.spec.cluster === undefined) return {}
  return parse(await readFile(resolve(context.stack.source.directory, component.spec.cluster.file), 'utf8')) as JsonObject
}

/** Where every site archives; the name of a live incarnation is what its own cluster says. */
async function archivesOf(place: Place): Promise<Archive[]> {
  const { component, context } = place
  return Promise.all(
    context.stack.sites.map(async (site) => {
      const cluster = clusterOf(component, site.name)
      const live = await readCluster(context.kubernetes(site.name), component.spec.namespace, cluster, context.signal)
      return {
        site: site.name,
        location: context.objectStore(component.spec.archive.store, site.name).location,
        serverName: (live === null ? null : serverNameOf(live)) ?? firstServerName(cluster),
      }
    }),
  )
}

async function clusterIsReady(place: Place, signal: AbortSignal): Promise<Progress> {
  const { component, site, context } = place
  const name = clusterOf(component, site)
  const cluster = await readCluster(context.kubernetes(site), component.spec.namespace, name, signal)
  const { phase = 'no phase yet', phaseReason = '', readyInstances = 0 } = cluster?.status ?? {}
  if (phase.startsWith('Cluster is unrecoverable') || phase === 'Invalid cluster definition')
    return {
      is: 'failed',
      code: 'cluster-unrecoverable',
      why: `${name}: ${phase} ${phaseReason}`,
      next: `kubectl -n ${component.spec.namespace} describe cluster ${name}`,
    }
  if (phase !== HEALTHY || readyInstances < (cluster?.spec.instances ?? 1)) return { is: 'pending', waitingFor: `${name}: ${phase}` }
  if (cluster !== null && conditionOf(cluster, 'ContinuousArchiving')?.status === 'False')
    return { is: 'pending', waitingFor: `${name} to archive its WAL` }
  return { is: 'done', proof: { phase, readyInstances } }
}

/** A passive cluster begins as a copy of a backup: the active one must have one. */
function firstBackupUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  const kubernetes = context.kubernetes(site)
  const { namespace } = component.spec
  const name = `${clusterOf(component, site)}-first`
  const completed = async (signal: AbortSignal): Promise<boolean> => {
    const backups = await kubernetes.list(BACKUP, { namespace }, { signal })
    return backups.some((backup) => clusterNameOf(backup) === clusterOf(component, site) && phaseOf(backup) === 'completed')
  }
  return {
    id: unitId(place, 'first-backup'),
    site,
    needs: [unitId(place, 'cluster')],
    title: `The first base backup of ${clusterOf(component, site)}`,
    deadline: minutes(30),
    diff: async (signal) =>
      (await completed(signal).catch(() => false)) ? [] : [{ kind: 'create', object: `${namespace}/Backup/${name}` }],
    async apply(signal) {
      const found = await kubernetes.get({ ...BACKUP, namespace, name }, { signal })
      if (found !== null && phaseOf(found) === 'failed') await kubernetes.remove({ ...BACKUP, namespace, name }, { signal })
      if (found === null || phaseOf(found) === 'failed')
        await kubernetes.create(backupManifest(component, context.stack, site, name), { signal })
    },
    async ready(signal) {
      const found = await kubernetes.get({ ...BACKUP, namespace, name }, { signal })
      if (phaseOf(found) === 'failed')
        return { is: 'failed', code: 'backup-failed', why: errorOf(found), next: `kubectl -n ${namespace} describe backup ${name}` }
      return (await completed(signal))
        ? { is: 'done', proof: { backup: name } }
        : { is: 'pending', waitingFor: `the backup ${name}: ${phaseOf(found) || 'not begun'}` }
    },
  }
}

const phaseOf = (backup: KubernetesObject | null): string => (backup?.status as { phase?: string } | undefined)?.phase ?? ''
const errorOf = (backup: KubernetesObject | null): string =>
  (backup?.status as { error?: string } | undefined)?.error ?? 'the backup failed'
const clusterNameOf = (backup: KubernetesObject): string => (backup.spec as { cluster: { name: string } }).cluster.name

/** The other sites' client certificates, copied here and kept fresh: the owning operator renews them. */
function streamingUnit(place: Place): DeployUnit {
  const { component, site, context } = place
  const others = otherSites(context.stack, site)
  return objectsUnit({
    id: unitId(place, 'streaming'),
    site,
    // On the very first deploy the other cluster must exist before its certificate can be copied.
    needs: others.filter((other) => place.deployment.observed[other]?.kind !== 'answering').map((other) => unitId(place, 'cluster', other)),
    title: `The identity with which ${clusterOf(component, site)} streams from the other sites`,
    deadline: minutes(2),
    kubernetes: context.kubernetes(site),
    async declare(signal) {
      const copies = await Promise.all(
        others.map(async (other) => {
          const cluster = clusterOf(component, other)
          const names = streamingSecrets(cluster)
          const read = (name: string) => context.kubernetes(other).get({ ...SECRET, namespace: component.spec.namespace, name }, { signal })
          const [certificate, authority] = await Promise.all([read(names.certificate), read(names.authority)])
          return certificate === null || authority === null
            ? []
            : copiedStreamingSecrets(component, context.stack, cluster, { certificate, authority })
        }),
      )
      return copies.flat()
    },
    async ready(signal) {
      return (await hasStreamingSecrets(place, signal))
        ? { is: 'done', proof: {} }
        : { is: 'pending', waitingFor: 'the certificates of the other site' }
    },
  })
}

async function hasStreamingSecrets(place: Place, signal: AbortSignal): Promise<boolean> {
  if (follows(place.component) !== 'archive-and-streaming') return false
  const names = otherSites(place.context.stack, place.site).flatMap((other) =>
    Object.values(copiedSecrets(clusterOf(place.component, other))),
  )
  const found = await Promise.all(
    names.map((name) =>
      place.context.kubernetes(place.site).get({ ...SECRET, namespace: place.component.spec.namespace, name }, { signal }),
    ),
  )
  return found.every((secret) => secret !== null)
}

function scheduleUnit(place: Place, schedule: string, suspend: boolean): DeployUnit {
  const { component, site, context } = place
  return objectsUnit({
    id: unitId(place, 'schedule'),
    site,
    needs: [unitId(place, 'cluster')],
    title: `Scheduled base backups of ${clusterOf(component, site)}${suspend ? ', suspended while it is passive' : ''}`,
    deadline: minutes(1),
    kubernetes: context.kubernetes(site),
    declare: async () => [scheduleManifest(component, context.stack, site, schedule, suspend)],
  })
}
