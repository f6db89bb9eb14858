import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { Check, Sandbox } from '../../../domain/restore-test.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { RestoreTestReport } from '../../../driver/restore-test.ts'
import { asStandbyError, siteError } from '../../../errors/standby-error.ts'
import { fetchIntoSandbox } from '../../../platform/hosts/fetch-into-sandbox.ts'
import { readableDuration } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { type Federation, snapshotFolder, snapshotsOf } from '../spec.ts'
import { type CataloguedSnapshot, keyOf, newestSnapshot } from './catalogue.ts'
import { countedPaths, countsIn } from './count.ts'
import { checkOf, countsFound, datacenterFound, isSameVersion } from './judge.ts'
import { readFrom, restoreInto, type ScratchConsul, scratchConsul, versionOf } from './scratch-consul.ts'

/**
 * Restores the newest snapshot into a scratch server in the sandbox of hosts, and judges the copy. Throws where the
 * sandbox is the trouble, and not the snapshot (`sandbox-stuck`, and what the sandbox throws).
 */
export async function testRestore(
  component: Federation,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const check = checkOf(component)
  const { location, open } = context.objectStore(snapshotsOf(component).store, source)
  const store = await open('read')
  const found = await newestOrDamage(component, store, context.signal)
  if (found === null || typeof found === 'string')
    return {
      backup: { id: '', takenAt: context.clock.now().toISOString(), bytes: null },
      checks: [check('has-backup', { good: false, expected: 'a complete snapshot', found: found ?? 'none' })],
      restoreDuration: 0,
    }
  const begun = context.clock.now().getTime()
  const server = await scratchConsul(component, sandbox, context)
  await versionMustFit(found, server)
  const sha256 = await fetchIntoSandbox(server, {
    ...{ store, sandbox, authorities: location.authorities },
    ...{ key: keyOf(found), folder: component.name, file: 'consul.snap', what: 'snapshot' },
  })
  const isUnchanged = sha256 === found.sha256
  const checks: Check[] = [
    check('snapshot-unchanged', {
      good: isUnchanged,
      expected: 'the checksum that was written down with it',
      found: isUnchanged ? 'the same' : sha256 || 'nothing',
    }),
  ]
  if (isUnchanged) checks.push(...(await judged(component, found, server, sandbox)))
  const age = context.clock.now().getTime() - Date.parse(found.takenAt)
  const { backupAge } = context.stack.objectives
  const limits = { expected: `at most ${readableDuration(backupAge)}`, found: readableDuration(Math.max(0, age)) }
  return {
    backup: { id: found.name, takenAt: found.takenAt, bytes: found.bytes },
    checks: [...checks, check('backup-age', { good: age <= backupAge, ...limits }, 'objective-missed')],
    restoreDuration: context.clock.now().getTime() - begun,
  }
}

async function judged(
  component: Federation,
  snapshot: CataloguedSnapshot,
  server: ScratchConsul,
  sandbox: Sandbox,
): Promise<Check[]> {
  const check = checkOf(component)
  await server.start(snapshot.datacenter)
  const failure = await restoreInto(server, sandbox)
  const restores = check('restores', {
    good: failure === null,
    expected: 'Consul to take the snapshot',
    found: failure ?? 'restored',
  })
  if (failure !== null) return [restores]
  const [nodes, ...answers] = await readFrom(server, ['catalog/nodes', ...countedPaths('keys')])
  return [
    restores,
    check('same-datacenter', datacenterFound(component, snapshot, nodes)),
    check('counts', countsFound(snapshot, countsIn(answers))),
  ]
}

async function newestOrDamage(
  component: Federation,
  store: ObjectStoreClient,
  signal: AbortSignal,
): Promise<CataloguedSnapshot | string | null> {
  try {
    return await newestSnapshot(store, snapshotFolder(component), signal)
  } catch (error) {
    const { code, message } = asStandbyError(error)
    if (code !== codes.code['consul-snapshot-damaged']) throw error
    return message
  }
}

/** What another version makes of a snapshot proves nothing about it. */
async function versionMustFit({ consulVersion }: CataloguedSnapshot, server: ScratchConsul): Promise<void> {
  const version = await versionOf(server)
  if (isSameVersion(version, consulVersion)) return
  const { machine } = server.box
  throw siteError('sandbox-stuck', `${machine} has Consul ${version}, and the snapshot is of ${consulVersion}`, {
    where: machine,
    next: `Install Consul ${consulVersion} there.`,
  })
}
