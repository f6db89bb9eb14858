import type { KubernetesClient, KubernetesObject } from '../../clients/kubernetes-client.ts'
import { asStandbyError, siteError } from '../../errors.ts'
import { deadlineAfter, settle } from '../../execution/settle.ts'
import type { DriverContext, Progress, RestoreTestReport } from '../../planning/driver.ts'
import type { SiteName } from '../../stack/stack.ts'
import type { Check, Sandbox } from '../../verification/restore-test.ts'
import { archiveFolder, type Manifest, newestManifest } from './backup.ts'
import { newestBackup, walProblems } from './catalogue.ts'
import { judgeAge, judgeCatalogue, judgeDuration, judgeRestored } from './judge-restored.ts'
import { archiveConfiguration, archiveSecret, objectStoreManifest } from './manifests.ts'
import { CLUSTER, HEALTHY, PLUGIN, POD, primaryPod, readCluster, runSql, serverNameOf } from './objects.ts'
import { archiveMethod, clusterOf, type Database } from './spec.ts'

/** Name of the restored copy: it lives alone in the sandbox. */
export const restoredCluster = (component: Database): string => `${component.name}-restored`

/** Restores the newest backup with all WAL behind it, and judges what came out. */
export async function testRestore(
  component: Database,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const live = await readCluster(context.kubernetes(source), component.spec.namespace, clusterOf(component, source), context.signal)
  const serverName = live === null ? null : serverNameOf(live)
  if (live === null || serverName === null)
    throw siteError('no-cluster', `there is no Cluster ${clusterOf(component, source)} whose backups could be tested`, {
      where: `${source} ${component.spec.namespace}`,
    })
  const store = await context.objectStore(component.spec.archive.store, source).open('read')
  const [manifest, newest] = await Promise.all([
    newestManifest(component, serverName, context),
    newestBackup(store, `${archiveFolder(component)}${serverName}/`, context.signal),
  ])
  if (newest === null) return nothingToRestore(component, serverName, context)
  const holes = await walProblems(store, `${archiveFolder(component)}${serverName}/`, newest, context.signal)
  const catalogue = judgeCatalogue(component, manifest, newest, holes)
  const report = { backup: { id: newest.id, takenAt: newest.endedAt, bytes: newest.bytes } }

  const begun = context.clock.now().getTime()
  const kubernetes = context.kubernetes(sandbox.site)
  await createCopy(component, source, serverName, live, sandbox, context)
  let failure: string | null = null
  try {
    await settle(() => restored(kubernetes, component, sandbox, context.signal), {
      what: `restore of ${serverName}`,
      where: `${sandbox.site} ${sandbox.namespace}`,
      clock: context.clock,
      signal: context.signal,
      deadline: deadlineAfter(sandbox.deadline),
      waiting: (what) => context.log.info(`${component.name}: waiting for ${what}`),
    })
  } catch (error) {
    context.signal.throwIfAborted()
    const reason = asStandbyError(error)
    if (reason.mustAct === 'defect') throw reason
    failure = reason.message
  }
  const restoreDuration = context.clock.now().getTime() - begun
  if (failure !== null) {
    const check: Check = { id: 'restores', component: component.name, outcome: 'fail', expected: 'the restore to end', found: failure }
    return { ...report, restoreDuration, checks: [...catalogue, check] }
  }
  const facts = await askCopy(kubernetes, component, sandbox, manifest, context.signal)
  return {
    ...report,
    restoreDuration,
    checks: [
      ...catalogue,
      ...judgeRestored(component, manifest, facts),
      judgeAge(component, context, facts.lastCommitAt ?? newest.endedAt),
      judgeDuration(component, context, restoreDuration),
    ],
    endpoint: {
      host: `${restoredCluster(component)}-rw.${sandbox.namespace}.svc`,
      port: 5432,
      database: component.spec.database,
      user: component.spec.owner,
      passwordSecret: component.spec.secrets.owner,
    },
  }
}

function nothingToRestore(component: Database, serverName: string, context: DriverContext): RestoreTestReport {
  const check: Check = {
    id: 'has-backup',
    component: component.name,
    outcome: 'fail',
    expected: `a completed base backup of ${serverName}`,
    found: 'none',
  }
  return { backup: { id: '', takenAt: context.clock.now().toISOString(), bytes: null }, checks: [check], restoreDuration: 0 }
}

/** A scratch cluster without archive and without replica: nothing of it can reach the archive that it came from. */
async function createCopy(
  component: Database,
  source: SiteName,
  serverName: string,
  live: KubernetesObject,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<void> {
  const { kubernetes, put } = sandboxOf(sandbox, context)
  const { location } = context.objectStore(component.spec.archive.store, source)
  const archive = { site: source, location, serverName }
  const keys = {
    id: await context.credential(location.readCredentials.accessKeyId, source),
    secret: await context.credential(location.readCredentials.secretAccessKey, source),
  }
  const secret = archiveSecret(component, context.stack, source, keys).object
  await put(secret)
  if (archiveMethod(component) === 'plugin') await put(objectStoreManifest(component, context.stack, archive).object)
  await copySecret(kubernetes, component, component.spec.secrets.owner, put, context)
  const { database, owner, secrets } = component.spec
  const origin =
    archiveMethod(component) === 'plugin'
      ? { plugin: { name: PLUGIN, parameters: { barmanObjectName: secret.metadata.name, serverName } } }
      : { barmanObjectStore: { serverName, ...archiveConfiguration(component, archive, secret.metadata.name) } }
  const spec = live.spec as Record<string, unknown>
  await put({
    apiVersion: CLUSTER.apiVersion,
    kind: CLUSTER.kind,
    metadata: { name: restoredCluster(component) },
    spec: {
      instances: 1,
      enablePDB: false,
      imageName: spec.imageName,
      ...(spec.imagePullPolicy === undefined ? {} : { imagePullPolicy: spec.imagePullPolicy }),
      storage: spec.storage,
      ...(spec.walStorage === undefined ? {} : { walStorage: spec.walStorage }),
      bootstrap: { recovery: { source: 'origin', database, owner, secret: { name: secrets.owner } } },
      externalClusters: [{ name: 'origin', ...origin }],
    },
  })
}

function sandboxOf(sandbox: Sandbox, context: DriverContext) {
  const kubernetes = context.kubernetes(sandbox.site)
  const put = async (object: KubernetesObject): Promise<void> => {
    await kubernetes.apply(
      {
        ...object,
        metadata: { ...object.metadata, namespace: sandbox.namespace, labels: { ...object.metadata.labels, ...sandbox.labels } },
      },
      { force: true },
    )
  }
  return { kubernetes, put }
}

async function copySecret(
  kubernetes: KubernetesClient,
  component: Database,
  name: string,
  put: (object: KubernetesObject) => Promise<void>,
  context: DriverContext,
): Promise<void> {
  const found = await kubernetes.get(
    { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespace: component.spec.namespace, name },
    { signal: context.signal },
  )
  if (found === null)
    throw siteError('secret-missing', `there is no Secret ${component.spec.namespace}/${name}`, { where: kubernetes.site })
  await put({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: found.type, data: found.data })
}

/** Done, pending, or failed at the first failed recovery pod: the operator itself would try for more than ten minutes. */
async function restored(kubernetes: KubernetesClient, component: Database, sandbox: Sandbox, signal: AbortSignal): Promise<Progress> {
  const name = restoredCluster(component)
  const { namespace } = sandbox
  const [cluster, pods] = await Promise.all([
    readCluster(kubernetes, namespace, name, signal),
    kubernetes.list(POD, { namespace, labelSelector: `cnpg.io/cluster=${name},cnpg.io/jobRole=full-recovery` }, { signal }),
  ])
  const phase = cluster?.status?.phase ?? 'not begun'
  const failedPod = pods.find((pod) => (pod.status as { phase?: string } | undefined)?.phase === 'Failed')
  if (failedPod !== undefined) {
    const logs = await Promise.all(
      ['full-recovery', 'plugin-barman-cloud'].map((container) =>
        kubernetes.logs({ namespace, name: failedPod.metadata.name, container }, { tailLines: 40, signal }).catch(() => ''),
      ),
    )
    return { is: 'failed', code: 'restore-failed', why: `recovery failed: ${lastWords(logs.join('\n'))}` }
  }
  if (phase.startsWith('Cluster is unrecoverable'))
    return { is: 'failed', code: 'restore-failed', why: `${phase}: ${cluster?.status?.phaseReason ?? ''}` }
  return phase === HEALTHY && (cluster?.status?.readyInstances ?? 0) > 0
    ? { is: 'done', proof: { phase } }
    : { is: 'pending', waitingFor: `the restored cluster: ${phase}` }
}

/** The lines of a recovery log that say why: CloudNativePG logs JSON, PostgreSQL's own words are inside. */
export function lastWords(log: string): string {
  const lines = log.split('\n').filter((line) => /error|fatal|exception|unexpected|WAL ends/i.test(line))
  const words = lines.map((line) => {
    try {
      const entry = JSON.parse(line) as { msg?: string; error?: string; record?: { message?: string } }
      return entry.record?.message ?? [entry.msg, entry.error].filter((part) => part !== undefined).join(': ')
    } catch {
      return line
    }
  })
  return [...new Set(words)].slice(-4).join(' | ') || 'no reason in the log'
}

/** What the restored copy says of itself. */
export interface RestoredFacts {
  readonly inRecovery: boolean
  readonly systemId: string
  readonly timeline: number
  readonly lsn: string
  readonly lastCommitAt: string | null
  readonly counts: Readonly<Record<string, number | null>>
  readonly brokenIndexes: number
  readonly extensions: readonly string[]
}

async function askCopy(
  kubernetes: KubernetesClient,
  component: Database,
  sandbox: Sandbox,
  manifest: Manifest | null,
  signal: AbortSignal,
): Promise<RestoredFacts> {
  const pod = await primaryPod(kubernetes, sandbox.namespace, restoredCluster(component), signal)
  const tables = [...new Set([...(component.spec.manifest?.tables ?? []), ...Object.keys(manifest?.counts ?? {})])]
  // query_to_xml counts a table that may not exist: a missing table is a finding, not an error of the whole question.
  const counts = tables.map(
    (table) =>
      `SELECT 'count', '${table}', CASE WHEN to_regclass('"${table}"') IS NULL THEN '' ELSE (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM "${table}"', false, true, '')))[1]::text END;`,
  )
  const rows = await runSql(
    kubernetes,
    pod,
    component.spec.database,
    `SELECT 'fact', 'inRecovery', pg_is_in_recovery()::text;
SELECT 'fact', 'systemId', system_identifier::text FROM pg_control_system();
SELECT 'fact', 'timeline', timeline_id::text FROM pg_control_checkpoint();
SELECT 'fact', 'lsn', pg_current_wal_lsn()::text;
SELECT 'fact', 'brokenIndexes', count(*)::text FROM pg_index WHERE NOT indisvalid;
SELECT 'extension', extname || ' ' || extversion, '' FROM pg_extension;
${counts.join('\n')}`,
    signal,
  )
  const of = (kind: string): (readonly string[])[] => rows.filter((row) => row[0] === kind)
  const fact = (name: string): string => of('fact').find((row) => row[1] === name)?.[2] ?? ''
  return {
    inRecovery: fact('inRecovery') !== 'false',
    systemId: fact('systemId'),
    timeline: Number(fact('timeline')),
    lsn: fact('lsn'),
    lastCommitAt: null,
    counts: Object.fromEntries(of('count').map((row) => [row[1] ?? '', row[2] === '' || row[2] === undefined ? null : Number(row[2])])),
    brokenIndexes: Number(fact('brokenIndexes')),
    extensions: of('extension').map((row) => row[1] ?? ''),
  }
}
