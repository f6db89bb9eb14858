import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { RestoreTestReport } from '../../../../src/driver/restore-test.ts'
import type { SnapshotDescription } from '../../../../src/drivers/consul/snapshots/catalogue.ts'
import { testRestore } from '../../../../src/drivers/consul/snapshots/restore-test.ts'
import type { Federation } from '../../../../src/drivers/consul/spec.ts'
import { stampOf } from '../../../../src/values/stamp.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import { DC_A, type MachineWithConsul, startMachineWithConsul } from './machine-with-consul.ts'

jest.setTimeout(240_000)

let world: MachineWithConsul
beforeAll(async () => {
  world = await startMachineWithConsul()
  const { call } = world.consul
  for (let key = 0; key < 40; key++) await call('dc1', 'PUT', `kv/app/${key}`, `value ${key}`)
  const session = (await call('dc1', 'PUT', 'session/create', { Name: 'leader', TTL: '10s', Behavior: 'delete' })) as {
    readonly ID: string
  }
  await call('dc1', 'PUT', `kv/service/app/leader?acquire=${session.ID}`, 'db-1')
  await call('dc1', 'POST', 'query', { Name: 'app', Service: { Service: 'app' } })
  await call('dc1', 'PUT', 'config', { Kind: 'service-resolver', Name: 'app', Redirect: { Datacenter: 'dc2' } })
}, 900_000)
afterAll(() => world?.stop())

const TAKEN = new Date()
const STAMP = stampOf(TAKEN.toISOString())
const restore = (component: Federation): Promise<RestoreTestReport> =>
  testRestore(component, DC_A, world.sandbox, world.context())
const outcomes = ({ checks }: RestoreTestReport): string[] => checks.map(({ id, outcome }) => `${id} ${outcome}`)
const failing = (report: RestoreTestReport): string[] => outcomes(report).filter((one) => !one.endsWith(' pass'))
const describedIn = async (folder: string): Promise<SnapshotDescription> =>
  JSON.parse((await world.store.get(`${folder}/${STAMP}.json`))?.body ?? '') as SnapshotDescription
const describe_ = (folder: string, description: SnapshotDescription): Promise<string> =>
  world.store.put(`${folder}/${STAMP}.json`, JSON.stringify(description))

/** A snapshot in a folder of its own, whose description is changed afterwards. */
async function taken(folder: string, change: Partial<SnapshotDescription> = {}): Promise<Federation> {
  const component = world.federation({ folder })
  await world.takeSnapshot(component, TAKEN.toISOString())
  if (Object.keys(change).length > 0) await describe_(folder, { ...(await describedIn(folder)), ...change })
  return component
}

describe('a snapshot of Consul', () => {
  beforeEach(() => world.emptySandbox())
  afterEach(() => world.emptySandbox())

  test('is stored with what was counted in the datacenter', async () => {
    const component = world.federation({ folder: 'taken' })
    expect(await world.takeSnapshot(component, TAKEN.toISOString())).toMatchObject({
      is: 'done',
      proof: { details: { counted: '41 keys, 1 prepared queries, 1 configuration entries', datacenter: 'dc1' } },
    })
    const description = await describedIn('taken')
    expect(description).toMatchObject({ site: 'dc-a', consulVersion: '1.22.7', least: { keys: 41, heldKeys: 1 } })
    expect((await world.store.head(`taken/${description.file}`))?.bytes).toBe(description.bytes)
    // Performed again, as by a process that lost the answer, the step has the snapshot that it had.
    await world.takeSnapshot(component, TAKEN.toISOString())
    expect(await describedIn('taken')).toEqual(description)
  })

  test('is not taken with a token that lacks the right, and the step says so', async () => {
    const token = await world.consul.createToken('agent_prefix "" { policy = "read" }')
    const taking = world.takeSnapshot(
      world.federation({ folder: 'refused' }),
      TAKEN.toISOString(),
      world.context(token),
    )
    await expect(taking).rejects.toMatchObject({ code: 'consul-refused', retry: 'never' })
    expect(await world.store.list('refused/')).toEqual([])
  })

  test('is restored into a scratch server, and found whole', async () => {
    const report = await restore(await taken('whole'))
    expect(outcomes(report)).toEqual([
      'snapshot-unchanged pass',
      'restores pass',
      'same-datacenter pass',
      'counts pass',
      'backup-age pass',
    ])
    expect(verdictOf(report.checks)).toBe('restorable')
  })

  test('that is another file than was stored is not restored', async () => {
    const component = await taken('altered')
    const { file } = await describedIn('altered')
    await world.store.put(`altered/${file}`, 'no snapshot')
    expect(failing(await restore(component))).toEqual(['snapshot-unchanged fail'])
  })

  test('that is a broken archive is refused by Consul, and fails', async () => {
    const component = await taken('broken')
    const body = 'no snapshot at all'
    await world.store.put(`broken/${(await describedIn('broken')).file}`, body)
    const sha256 = createHash('sha256').update(body).digest('hex')
    await describe_('broken', { ...(await describedIn('broken')), sha256 })
    expect(failing(await restore(component))).toEqual(['restores fail'])
  })

  test('of another datacenter fails, whatever its description says', async () => {
    expect(failing(await restore(await taken('foreign', { datacenter: 'dc2' })))).toContain('same-datacenter fail')
    await taken('renamed', { datacenter: 'dc9' })
    await world.emptySandbox()
    // Declared and described as dc9: the nodes in it belong to dc1.
    expect(failing(await restore(world.federation({ folder: 'renamed' }, 'dc9')))).toContain('same-datacenter fail')
  })

  test.each(['keys', 'queries', 'entries'] as const)('that has fewer %s than were counted fails', async (what) => {
    const component = await taken(`fewer-${what}`)
    const description = await describedIn(`fewer-${what}`)
    const more = { ...description.least, [what]: description.least[what] + 5 }
    await describe_(`fewer-${what}`, { ...description, least: more, most: more })
    expect(failing(await restore(component))).toEqual(['counts fail'])
  })

  test('that is older than the objective misses it', async () => {
    const component = await taken('old', { takenAt: new Date(TAKEN.getTime() - 2 * 3_600_000).toISOString() })
    expect(failing(await restore(component))).toEqual(['backup-age objective-missed'])
  })

  test('of another version of Consul is not judged by this one', async () => {
    await expect(restore(await taken('version', { consulVersion: '1.18.2' }))).rejects.toMatchObject({
      code: 'sandbox-stuck',
    })
  })

  test('whose description is damaged, and one that is missing, fail as no backup', async () => {
    const component = await taken('damaged')
    await world.store.put(`damaged/${STAMP}.json`, '{"schemaVersion":1}')
    expect(failing(await restore(component))).toEqual(['has-backup fail'])
    expect(failing(await restore(world.federation({ folder: 'nothing' })))).toEqual(['has-backup fail'])
  })
})
