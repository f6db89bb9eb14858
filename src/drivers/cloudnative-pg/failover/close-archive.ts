import type { ObjectStoreLocation } from '../../../clients/object-store-client.ts'
import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { type CloudNativePgSpec, clusterOf, type Database, incarnationFolder, serverNamesBehind } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import type { Run } from '../where.ts'
import { type ClosedFolder, closeFolder, isClosed, openFolder } from './archive-policy.ts'
import type { Upstream } from './upstream.ts'

/**
 * The lost incarnation can not write to its archive any more, whatever becomes of its site: it can fork no history that
 * a restore would take for the true one. Every incarnation has a folder of its own, so this door is never opened again,
 * unless the failover is taken back before it promotes anything. Needs nothing of the lost site.
 */
export function closeArchiveSteps(component: Database, intent: Intent, upstream: Upstream | null): PlannedStep[] {
  if (upstream === null || upstream.silent !== null || !upstream.closable) return []
  const lost = clusterOf(component, intent.from)
  const step = plannedStep(component, 'close-archive', intent.from, {
    // Behind the fence: a primary that is shut down in order ships its last WAL first.
    phase: 'FINAL_SYNC',
    title: `Closes the archive ${upstream.serverName} of ${lost} for writing, by the policy of its bucket`,
    deadline: minutes(1),
    expected: seconds(0.5),
    fence: 'archive',
    parameters: { archiveOf: intent.from, serverName: upstream.serverName },
  })
  return [{ ...step, site: null }]
}

export const closeArchive: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const closed = folderOf(run)
    const store = await storeOf(run).open('policy')
    if (!isClosed(await store.policy({ signal: run.signal }), closed))
      return { is: 'pending', waitingFor: `the policy of ${closed.bucket} to close ${closed.folder}` }
    const probe = await refusedWrite(run)
    // Large stores take a while until a new policy is heard everywhere.
    if (probe === 'accepted')
      return { is: 'pending', waitingFor: `${closed.bucket} to refuse a write to ${closed.folder}` }
    return { is: 'done', proof: { bucket: closed.bucket, folder: closed.folder, policy: 'closed', probe } }
  },
  async apply(run) {
    const store = await storeOf(run).open('policy')
    const policy = await store.policy({ signal: run.signal })
    const wanted = closeFolder(policy, folderOf(run), longGone(run))
    if (wanted !== policy) await store.putPolicy(wanted, { signal: run.signal })
  },
  async undo(run) {
    const store = await storeOf(run).open('policy')
    const policy = await store.policy({ signal: run.signal })
    if (isClosed(policy, folderOf(run)))
      await store.putPolicy(openFolder(policy, folderOf(run)), { signal: run.signal })
  },
  async undone(run) {
    const policy = await (await storeOf(run).open('policy')).policy({ signal: run.signal })
    return isClosed(policy, folderOf(run))
      ? { is: 'pending', waitingFor: 'the policy to let the archive be written again' }
      : { is: 'done', proof: { policy: 'open' } }
  },
}

const storeOf = (run: Run) =>
  run.context.objectStore(run.component.spec.archive.store, parameter(run.step, 'archiveOf') as SiteName)

function folderOf(run: Run, serverName = parameter(run.step, 'serverName')): ClosedFolder {
  const location: ObjectStoreLocation = storeOf(run).location
  const folder = `${location.prefix}${incarnationFolder(run.component, serverName)}`
  return { bucket: location.bucket, region: location.region, folder }
}

/**
 * How many incarnations before a closed one stay closed. One denial for each failover would come to the end of every
 * policy: 20 KB on AWS, 4 KB on versitygw, which answered the 24th with InternalError. An incarnation begins when the
 * cluster of the one before is removed, so that an older denial keeps out nothing but a site that is brought back from
 * an old copy of its machines, and that one's guard shuts it.
 */
export const STAY_CLOSED = 4

const longGone = (run: Run): ClosedFolder[] =>
  serverNamesBehind(parameter(run.step, 'serverName'), STAY_CLOSED).map((serverName) => folderOf(run, serverName))

/**
 * What the store says to a write with the very keys of the lost site, where this process has them. A refused write
 * leaves nothing behind.
 */
async function refusedWrite(run: Run): Promise<'refused' | 'accepted' | 'not tried'> {
  const key = `${incarnationFolder(run.component, parameter(run.step, 'serverName'))}standby-closed`
  try {
    const store = await storeOf(run).open('write')
    await store.put(key, '', { signal: run.signal })
    await store.remove(key, { signal: run.signal }).catch(() => undefined)
    return 'accepted'
  } catch (error) {
    const { code } = asStandbyError(error)
    if (code === 'object-store-denied') return 'refused'
    if (code === 'credential-missing') return 'not tried'
    throw error
  }
}
