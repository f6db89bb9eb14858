import { createHash, randomBytes } from 'node:crypto'
import type { ConsulClient } from '../../../clients/consul/client.ts'
import { readAgent } from '../../../clients/consul/cluster.ts'
import { saveSnapshot } from '../../../clients/consul/snapshots.ts'
import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Plain, Seen, StepRun } from '../../../driver/behaviour.ts'
import { awsS3, quoted } from '../../../driver/manual.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { removeOldBackups } from '../../../driver/remove-old-backups.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { type Milliseconds, minutes, seconds } from '../../../values/duration.ts'
import { stampOf } from '../../../values/stamp.ts'
import { askSite } from '../ask.ts'
import { codes } from '../codes.ts'
import {
  type ConsulSpec,
  datacenterNamed,
  datacenterOf,
  type Federation,
  retentionOf,
  siteOf,
  snapshotFolder,
  snapshotsOf,
} from '../spec.ts'
import { type CataloguedSnapshot, readSnapshot, SNAPSHOT_NAME, type SnapshotDescription } from './catalogue.ts'
import { bounds, type Counts, countedPaths, countsIn, inWords } from './count.ts'

/** `folder`: of the snapshots, below the prefix of the store; ends with `/`. */
type TakeSnapshot = { readonly folder: string }
type SnapshotRun = StepRun<ConsulSpec, TakeSnapshot>

/** Bytes of a snapshot, and of all keys: they pass through the memory of this process. */
const MOST_BYTES = 128 * 1024 * 1024
/** Of one question: a snapshot is written by the leader first. */
const TAKING: Milliseconds = minutes(2)

/** The step that takes a snapshot; none where none are declared. Pure. */
export const snapshotSteps = (component: Federation, site: SiteName): DriverStep[] =>
  component.spec.snapshots === undefined
    ? []
    : [
        planStep(snapshot, site, {
          phase: 'PROTECT',
          title: `Takes a snapshot of ${datacenterNamed(component, site)}, credentials included, and stores it`,
          deadline: minutes(15),
          expected: seconds(2),
          parameters: { folder: snapshotFolder(component) },
        }),
      ]

const behaviour: Plain<ConsulSpec, TakeSnapshot, Proof> = {
  is: 'plain',
  async done(run): Promise<Seen<Proof, never>> {
    const store = await storeOf(run).open('read')
    const found = await readSnapshot(store, nameOf(run), run.signal)
    return found === null ? { is: 'pending', waitingFor: 'the snapshot' } : { is: 'done', proof: proofOf(found) }
  },
  async apply(run) {
    const { component, context, signal } = run
    const store = await storeOf(run).open('write')
    await storeSnapshot(run, store, await takeSnapshot(run))
    const retention = retentionOf(component)
    const { folder } = run.step.parameters
    await removeOldBackups(
      { component, store, folder, retention, name: SNAPSHOT_NAME, of: 'snapshots' },
      context,
      signal,
    )
  },
  back: { is: 'leaves-nothing', because: 'one more snapshot in the object store is removed after its retention' },
}

export const snapshot: Action<ConsulSpec, TakeSnapshot> = {
  name: 'snapshot',
  parameters: parametersOf<TakeSnapshot>({ folder: TEXT }),
  behaviour,
  byHand: {
    say(component, { site, parameters: { folder } }, around) {
      if (site === null) return null
      const store = around.objectStore(snapshotsOf(component).store, site as SiteName)
      const [server = ''] = siteOf(component, site).servers
      return {
        commands: [
          `consul snapshot save -http-addr=${server} by-hand.snap`,
          'consul snapshot inspect by-hand.snap',
          `${awsS3(store, site)} s3 cp by-hand.snap ${quoted(`s3://${store.bucket}/${store.prefix}${folder}by-hand.snap`)}`,
        ],
        expect:
          'The kinds of what it holds, with their counts. A restore test does not see this snapshot: it has no description.',
        never: 'Leave by-hand.snap where others read it: it holds every token and every private key of Consul.',
      }
    },
  },
}

const storeOf = ({ component, context, ...run }: SnapshotRun) =>
  context.objectStore(snapshotsOf(component).store, actingOn(run))
function actingOn({ site, step }: Pick<SnapshotRun, 'site' | 'step'>): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}
/** One name per beginning of the step, so that a second process finds the snapshot of the first. */
const nameOf = (run: SnapshotRun): string => `${run.step.parameters.folder}${stampOf(run.begunAt)}`

const proofOf = ({ name, takenAt, bytes, datacenter, least }: CataloguedSnapshot): Proof => ({
  details: { snapshot: name, takenAt, bytes, datacenter, counted: inWords(least) },
})

interface Taken {
  readonly content: Buffer
  readonly described: Omit<SnapshotDescription, 'schemaVersion' | 'file'>
}

/** The snapshot, between two countings: nothing is written while Consul packs it, or between the two. */
async function takeSnapshot(run: SnapshotRun): Promise<Taken> {
  const { component, context, signal } = run
  const site = actingOn(run)
  const client = askSite(component, site, context, {
    signal,
    deadline: TAKING,
    token: snapshotsOf(component).token,
  })
  const { version, datacenter } = await readAgent(client)
  if (datacenter !== datacenterOf(component, site))
    throw codes.error('consul-other-datacenter', `the servers of ${site} belong to ${datacenter}`, {
      retry: 'never',
      where: site,
      next: 'Correct servers or datacenter in the stack file.',
    })
  const before = await counted(client)
  const takenAt = context.clock.now().toISOString()
  const content = await saveSnapshot(client, MOST_BYTES)
  const { least, most } = bounds(before, await counted(client))
  return {
    content,
    described: {
      takenAt,
      site,
      datacenter,
      consulVersion: version,
      bytes: content.byteLength,
      sha256: createHash('sha256').update(content).digest('hex'),
      least,
      most,
    },
  }
}

async function counted(client: ConsulClient): Promise<Counts> {
  const answers = await Promise.all(
    countedPaths('recurse').map((path) =>
      client.askJson({ method: 'GET', path, accepts: [404], mostBytes: MOST_BYTES }),
    ),
  )
  return countsIn(answers.map(({ status, value }) => (status === 404 ? null : value)))
}

/** The description comes last: only a snapshot with its description counts. */
async function storeSnapshot(run: SnapshotRun, store: ObjectStoreClient, { content, described }: Taken): Promise<void> {
  const { signal } = run
  // Another process may store a snapshot of the same step at the same time: the files of two never mix.
  const file = `${stampOf(run.begunAt)}-${randomBytes(4).toString('hex')}.snap`
  await store.put(`${run.step.parameters.folder}${file}`, content, { signal, contentType: 'application/gzip' })
  const description: SnapshotDescription = { schemaVersion: 1, ...described, file }
  try {
    await store.put(`${nameOf(run)}.json`, `${JSON.stringify(description, null, 2)}\n`, {
      signal,
      condition: { ifAbsent: true },
      contentType: 'application/json',
    })
  } catch (error) {
    // An earlier process of this step was faster, and its snapshot is complete.
    if (asStandbyError(error).code !== 'object-store-precondition') throw error
  }
}
