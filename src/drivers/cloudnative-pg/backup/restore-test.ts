import type { Progress } from '../../../domain/progress.ts'
import type { Check, Sandbox } from '../../../domain/restore-test.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { RestoreTestReport } from '../../../driver/restore-test.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { KUBERNETES } from '../../../platform/kubernetes/key.ts'
import { newestBackup, walNames } from '../../../systems/postgres/barman-archive.ts'
import { judgeAge, judgeCatalogue, judgeDuration, judgeRestored } from '../../../systems/postgres/judge-restored.ts'
import { newestManifest } from '../../../systems/postgres/restore-manifest.ts'
import { deadlineAfter } from '../../../waiting/deadline.ts'
import { waitUntilDone } from '../../../waiting/wait-until.ts'
import { codes } from '../codes.ts'
import { failedBootstrap, refusedBootstrap, stuckBootstrap } from '../deploy/failed-bootstrap.ts'
import type { Archive } from '../deploy/manifests.ts'
import { forkOf } from '../failover/forks.ts'
import { type ClusterObject, HEALTHY, readCluster, serverNameOf, serverNameOfPeer } from '../objects.ts'
import { clusterOf, type Database, incarnationFolder } from '../spec.ts'
import { createCopy, restoredCluster } from './restore-copy.ts'
import { askCopy } from './restored-facts.ts'

/**
 * Restores the newest backup with all WAL after it, and judges the copy. Throws where the sandbox is the trouble, and
 * not the backup (`sandbox-stuck`, `secret-missing`, `kubernetes-forbidden`); and `archive-forked`, `no-cluster`.
 */
export async function testRestore(
  component: Database,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const { archive, like } = await archiveToTest(component, source, sandbox, context)
  await refuseForked(component, archive, context)
  const store = await context.objectStore(component.spec.archive.store, source).open('read')
  const folder = incarnationFolder(component, archive.serverName)
  const [manifest, newest] = await Promise.all([
    newestManifest(component, archive.serverName, context),
    newestBackup(store, folder, context.signal),
  ])
  if (newest === null) return nothingToRestore(component, archive.serverName, context)
  const wal = await walNames(store, folder, context.signal)
  const expected = { manifest, backup: newest, wal }
  const catalogue = judgeCatalogue(component, expected)
  const report = { backup: { id: newest.id, takenAt: newest.endedAt, bytes: newest.bytes } }

  const begun = context.clock.now().getTime()
  await createCopy(component, archive, like, sandbox, context)
  const failure = await waitForCopy(component, sandbox, context)
  const restoreDuration = context.clock.now().getTime() - begun
  if (failure !== null) {
    const check: Check = {
      id: 'restores',
      component: component.name,
      outcome: 'fail',
      expected: 'a restore that ends',
      found: failure,
    }
    return { ...report, restoreDuration, checks: [...catalogue, check] }
  }
  const tables = [...new Set([...(component.spec.manifest?.tables ?? []), ...Object.keys(manifest?.counts ?? {})])]
  const facts = await askCopy(component, sandbox, tables, context)
  return {
    ...report,
    restoreDuration,
    checks: [
      ...catalogue,
      ...judgeRestored(component, expected, facts),
      judgeAge(component, newest.endedAt, context.clock.now(), context.stack.objectives.backupAge),
      judgeDuration(component, restoreDuration, context.stack.objectives.restoreTime),
    ],
    endpoint: {
      kind: 'postgres',
      host: `${restoredCluster(component)}-rw.${sandbox.namespace}.svc`,
      port: 5432,
      database: component.spec.database,
      user: component.spec.owner,
      credentials: { name: component.spec.secrets.owner, keys: { password: 'password' } },
    },
  }
}

/**
 * The archive that a failover to the sandbox's site would restore from: as the source names it, or, where it does not
 * answer, as the sandbox's site knows it. So the test also works when the source is lost.
 */
async function archiveToTest(
  component: Database,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<{ readonly archive: Archive; readonly like: ClusterObject }> {
  const read = (site: SiteName): Promise<ClusterObject | null> =>
    readCluster(
      context.platform(KUBERNETES, site),
      component.spec.namespace,
      clusterOf(component, site),
      context.signal,
    )
  const [there, here] = await Promise.all([
    read(source).catch((error: unknown) => {
      context.log.warning(
        `${source} does not say where it archives (${asStandbyError(error).message}); asking ${sandbox.site}`,
      )
      return null
    }),
    read(sandbox.site),
  ])
  const known = here === null ? null : serverNameOfPeer(here, clusterOf(component, source))
  const serverName = (there === null ? null : serverNameOf(there)) ?? known
  const like = here ?? there
  if (serverName === null || like === null)
    throw codes.error(
      'no-cluster',
      `neither ${source} nor ${sandbox.site} says where ${clusterOf(component, source)} archives`,
      {
        retry: 'never',
        where: `${source} ${component.spec.namespace}/Cluster/${clusterOf(component, source)}`,
        next: 'Deploy the stack, then test its backups.',
      },
    )
  return {
    archive: { site: source, location: context.objectStore(component.spec.archive.store, source).location, serverName },
    like,
  }
}

/** The newest state of an incarnation that a failover cut off holds rows that today's users were never served. */
async function refuseForked(component: Database, archive: Archive, context: DriverContext): Promise<void> {
  const fork = await forkOf(component, archive.serverName, context)
  if (fork === null) return
  throw codes.error(
    'archive-forked',
    `the failover of ${fork.at} to ${fork.successor} cut off the history in ${archive.serverName}${fork.forkedAt === '' ? '' : ` at ${fork.forkedAt}`}`,
    {
      retry: 'never',
      where: `${archive.location.bucket}/${archive.location.prefix}${incarnationFolder(component, archive.serverName)}`,
      next: 'Its newest state must not be restored. Test the backups of the active site; rejoin this one.',
    },
  )
}

function nothingToRestore(component: Database, serverName: string, context: DriverContext): RestoreTestReport {
  const check: Check = {
    id: 'has-backup',
    component: component.name,
    outcome: 'fail',
    expected: `a completed base backup of ${serverName}`,
    found: 'none',
  }
  return {
    backup: { id: '', takenAt: context.clock.now().toISOString(), bytes: null },
    checks: [check],
    restoreDuration: 0,
  }
}

/** Null when the copy is ready; otherwise why the backup cannot be restored. */
async function waitForCopy(component: Database, sandbox: Sandbox, context: DriverContext): Promise<string | null> {
  try {
    await waitUntilDone(() => restored(component, sandbox, context), {
      what: `the restore into ${sandbox.namespace}`,
      where: `${sandbox.site} ${sandbox.namespace}/Cluster/${restoredCluster(component)}`,
      clock: context.clock,
      signal: context.signal,
      deadline: deadlineAfter(sandbox.deadline),
      waiting: (what) => context.log.info(`${component.name}: waiting for ${what}`),
    })
    return null
  } catch (error) {
    context.signal.throwIfAborted()
    const reason = asStandbyError(error)
    // A missing right, a missing image or a full node says nothing about the backup.
    if (reason.code !== 'restore-failed' && reason.code !== 'step-timeout') throw reason
    const stuck = await stuckBootstrap(copyOf(component, sandbox, context), context.signal)
    if (stuck !== null)
      throw siteError('sandbox-stuck', `the restore could not begin: ${stuck}`, {
        where: `${sandbox.site} ${sandbox.namespace}`,
        next: 'Give the sandbox what it needs, and test again.',
      })
    return reason.message
  }
}

const copyOf = (component: Database, sandbox: Sandbox, context: DriverContext) => ({
  kubernetes: context.platform(KUBERNETES, sandbox.site),
  namespace: sandbox.namespace,
  cluster: restoredCluster(component),
})

/**
 * Done, pending, or failed at the first failed recovery pod: the operator itself would try for more than ten minutes.
 */
async function restored(component: Database, sandbox: Sandbox, context: DriverContext): Promise<Progress> {
  const copy = copyOf(component, sandbox, context)
  const cluster = await readCluster(copy.kubernetes, copy.namespace, copy.cluster, context.signal)
  const { phase = 'not begun', phaseReason = '', readyInstances = 0 } = cluster?.status ?? {}
  if (phase === HEALTHY && readyInstances > 0) return { is: 'done', proof: { phase } }
  const failed = await failedBootstrap(copy, context.signal)
  if (failed !== null) return { is: 'failed', code: 'restore-failed', why: `${failed.pod} failed: ${failed.log}` }
  if (phase.startsWith('Cluster is unrecoverable'))
    return { is: 'failed', code: 'restore-failed', why: `${phase}: ${phaseReason}` }
  return (
    (await refusedBootstrap(copy, 'sandbox-stuck', context.signal)) ?? {
      is: 'pending',
      waitingFor: `the restored cluster: ${phase}`,
    }
  )
}
