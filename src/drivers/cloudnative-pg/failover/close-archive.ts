import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { awsS3 } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { type DatabaseRun, siteNamed } from '../run.ts'
import { archiveByHand } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database, incarnationFolder, serverNamesBehind } from '../spec.ts'
import { type ClosedFolder, closeFolder, isClosed, openFolder } from './archive-policy.ts'
import type { Upstream } from './upstream.ts'

/**
 * The lost incarnation cannot write to its archive any more, regardless of what happens to its site: it can fork no
 * history that a restore would take for the true one. Every incarnation has a folder of its own, so this folder is
 * never opened again, unless the failover is undone before it promotes anything. Needs nothing of the lost site.
 */
export function closeArchiveSteps(
  component: Database,
  intent: Intent,
  upstream: Upstream | null,
): DriverStep<OfArchive>[] {
  if (upstream === null || upstream.silent !== null || !upstream.closable) return []
  const { serverName } = upstream
  return [
    planStep(closeArchive, null, {
      about: intent.from,
      // After the fence: a primary that is shut down cleanly ships its last WAL first.
      phase: 'FINAL_SYNC',
      title: `Closes the archive ${serverName} of ${clusterOf(component, intent.from)} for writing, by the policy of its bucket`,
      deadline: minutes(1),
      expected: seconds(0.5),
      fence: 'archive',
      parameters: { archiveOf: intent.from, serverName },
    }),
  ]
}

type OfArchive = {
  /** The site whose archive it is. */
  readonly archiveOf: string
  /** The incarnation. */
  readonly serverName: string
}
export interface Closed extends Proof {
  readonly bucket: string
  readonly folder: string
  readonly policy: 'closed'
  readonly probe: 'refused' | 'not tried'
}
interface Opened extends Proof {
  readonly policy: 'open'
}
type Run = DatabaseRun<OfArchive>

export const closeArchive: Action<CloudNativePgSpec, OfArchive, Closed> = {
  name: 'close-archive',
  parameters: parametersOf<OfArchive>({ archiveOf: TEXT, serverName: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run) {
      const { bucket, folder } = folderOf(run)
      if (!isClosed(await policyOf(run), folderOf(run)))
        return { is: 'pending', waitingFor: `the policy of ${bucket} to close ${folder}` }
      const probe = await refusedWrite(run)
      // Large stores need a while until a new policy holds everywhere.
      return probe === 'accepted'
        ? { is: 'pending', waitingFor: `${bucket} to refuse a write to ${folder}` }
        : { is: 'done', proof: { bucket, folder, policy: 'closed', probe } }
    },
    async apply(run: Run) {
      const policy = await policyOf(run)
      await replacePolicy(run, policy, closeFolder(policy, folderOf(run), longGone(run)))
    },
    back: {
      async undo(run: Run) {
        const policy = await policyOf(run)
        if (isClosed(policy, folderOf(run))) await replacePolicy(run, policy, openFolder(policy, folderOf(run)))
      },
      async undone(run: Run): Promise<Seen<Opened, never>> {
        return isClosed(await policyOf(run), folderOf(run))
          ? { is: 'pending', waitingFor: 'the policy to let the archive be written again' }
          : { is: 'done', proof: { policy: 'open' } }
      },
    },
  },
  byHand: {
    say(component, step, around) {
      const { location, folder } = archiveByHand(component, step.parameters, around)
      const aws = awsS3(location, `${step.parameters.archiveOf}-policy`)
      const denial = closeFolder(null, { bucket: location.bucket, region: location.region, folder })
      return {
        commands: [
          `${aws} s3api get-bucket-policy --bucket ${location.bucket} --query Policy --output text > policy-before.json   # an error: there is none`,
          `cat > policy.json <<'END'\n${denial}\nEND`,
          '# Was there a policy before? Add its statements to policy.json: what is put replaces all of it.',
          `${aws} s3api put-bucket-policy --bucket ${location.bucket} --policy file://policy.json`,
        ],
        expect: `A write with the keys of the lost site to ${folder} is refused (AccessDenied).`,
        never: 'Open it again: the next incarnation of that site gets a folder of its own.',
      }
    },
  },
}

const storeOf = (run: Run) =>
  run.context.objectStore(run.component.spec.archive.store, siteNamed(run, run.step.parameters.archiveOf))

const policyOf = async (run: Run): Promise<string | null> =>
  (await storeOf(run).open('policy')).policy({ signal: run.signal })

async function replacePolicy(run: Run, policy: string | null, wanted: string | null): Promise<void> {
  if (wanted !== policy) await (await storeOf(run).open('policy')).putPolicy(wanted, { signal: run.signal })
}

function folderOf(run: Run, serverName = run.step.parameters.serverName): ClosedFolder {
  const { bucket, region, prefix } = storeOf(run).location
  return { bucket, region, folder: `${prefix}${incarnationFolder(run.component, serverName)}` }
}

/**
 * Incarnations before a closed one that stay closed. One denial for each failover would exceed every limit of a policy
 * in the end: 20 KB on AWS, 4 KB on versitygw, which answered the 24th with InternalError. An incarnation begins when
 * the cluster of the one before is removed, so an older denial keeps out only a site that is brought back from an old
 * copy of its machines, and the guard of that site shuts it.
 */
export const STAY_CLOSED = 4

const longGone = (run: Run): ClosedFolder[] =>
  serverNamesBehind(run.step.parameters.serverName, STAY_CLOSED).map((serverName) => folderOf(run, serverName))

/**
 * The answer of the store to a write with the credentials of the lost site, where this process has them. A refused
 * write leaves nothing behind.
 */
async function refusedWrite(run: Run): Promise<'refused' | 'accepted' | 'not tried'> {
  const key = `${incarnationFolder(run.component, run.step.parameters.serverName)}standby-closed`
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
