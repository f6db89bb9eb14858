import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { fetchTrusting } from '../../../../src/clients/trusting-fetch.ts'
import type { RestoreTestReport } from '../../../../src/driver/restore-test.ts'
import { testRestore } from '../../../../src/drivers/redis-sentinel/backup/restore-test.ts'
import type { Group } from '../../../../src/drivers/redis-sentinel/spec.ts'
import type { DumpDescription } from '../../../../src/systems/redis/catalogue.ts'
import { stampOf } from '../../../../src/values/stamp.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import {
  DC_A,
  MASTER,
  type MachineWithDumps,
  PASSWORD,
  REPLICA,
  STRANGER,
  startMachineWithDumps,
} from './machine-with-dumps.ts'

jest.setTimeout(240_000)

let world: MachineWithDumps
beforeAll(async () => {
  world = await startMachineWithDumps()
}, 900_000)
afterAll(() => world?.stop())

const TAKEN = new Date()
const STAMP = stampOf(TAKEN.toISOString())
const restore = (component: Group): Promise<RestoreTestReport> =>
  testRestore(component, DC_A, world.sandbox, world.context())
const failing = ({ checks }: RestoreTestReport): string[] =>
  checks.filter(({ outcome }) => outcome !== 'pass').map(({ id, outcome }) => `${id} ${outcome}`)
const describedIn = async (folder: string, stamp = STAMP): Promise<DumpDescription> =>
  JSON.parse((await world.store.get(`${folder}/${stamp}.json`))?.body ?? '') as DumpDescription
/** The client reads text alone: bytes are read by the address that a sandbox gets. */
const bytesOf = async (key: string): Promise<Buffer> => {
  const at = new URL(await world.store.presignedGet(key, 60_000))
  const asked = { method: 'GET', headers: new Headers(), signal: AbortSignal.timeout(10_000) }
  return Buffer.from(await (await fetchTrusting(world.authorities, at, asked)).arrayBuffer())
}
const leftOnMachine = (): string => world.machine.root('ls -A /var/tmp | grep standby-dump || true')

describe('a dump of Redis under Sentinel', () => {
  beforeEach(() => world.emptySandbox())
  afterEach(() => world.emptySandbox())

  test('is taken from a replica by its host, stored by its host, and leaves nothing there', async () => {
    const component = world.group({ folder: 'taken' })
    const context = world.context()
    const seen = await world.takeDump(component, TAKEN.toISOString(), context)
    const server = `${world.machine.address}:${REPLICA}`
    expect(seen).toMatchObject({
      is: 'done',
      proof: { details: { keys: '5030 keys (database 0: 5000, database 20: 30)', server } },
    })
    const description = await describedIn('taken')
    const [history = ''] = /master_replid:[0-9a-f]{40}/.exec(world.redis(MASTER, 'INFO replication')) ?? []
    expect(description).toMatchObject({
      keys: 5030,
      libraries: 1,
      databases: { 0: { keys: 5000, expiring: 0 }, 20: { keys: 30, expiring: 30 } },
      origin: { group: 'mymaster', server, history: history.split(':')[1] },
    })
    expect(description.offset).toBeGreaterThan(0)
    expect(leftOnMachine()).toBe('')
    const secrets = [PASSWORD, Buffer.from(PASSWORD).toString('base64'), 'X-Amz-Signature']
    for (const secret of secrets) expect(context.commands.join('\n')).not.toContain(secret)
    // Performed again, as by a process that lost the answer, the step has the dump that it had.
    await world.takeDump(component, TAKEN.toISOString())
    expect(await describedIn('taken')).toEqual(description)
  })

  test('is taken from the master where no replica is connected', async () => {
    world.redis(REPLICA, `REPLICAOF ${world.machine.address} 1`)
    try {
      await world.takeDump(world.group({ folder: 'of-master' }), TAKEN.toISOString())
      expect((await describedIn('of-master')).origin?.server).toBe(`${world.machine.address}:${MASTER}`)
    } finally {
      world.redis(REPLICA, `REPLICAOF ${world.machine.address} ${MASTER}`)
      world.redis(MASTER, 'WAIT 1 20000')
    }
  })

  test('is not taken with a wrong password, and the step says so', async () => {
    const taking = world.takeDump(
      world.group({ folder: 'refused' }),
      TAKEN.toISOString(),
      world.context({ password: 'x' }),
    )
    await expect(taking).rejects.toMatchObject({ code: expect.stringMatching(/^(dump-failed|sentinel-refused)$/) })
    expect(await world.store.list('refused/')).toEqual([])
    expect(leftOnMachine()).toBe('')
  })

  test('removes the dumps that are older than their retention, and nothing else', async () => {
    const old = ['20200101T000000Z.json', '20200101T000000Z-0a1b2c3d.rdb', '20200102T000000Z.rdb']
    const others = ['20200101T000000Z.txt', 'below/20200101T000000Z.json', 'by-hand.rdb']
    for (const name of [...old, ...others]) await world.store.put(`aged/${name}`, '-')
    await world.takeDump(world.group({ folder: 'aged', retention: '1d' }), TAKEN.toISOString())
    const left = (await world.store.list('aged/')).map(({ key }) => key.slice('aged/'.length))
    expect(left).toEqual(expect.arrayContaining([...others, `${STAMP}.json`]))
    expect(left.filter((name) => old.includes(name))).toEqual([])
  })

  test('is restored, judged, and answers in the sandbox', async () => {
    const report = await restore(world.group({ folder: 'taken' }))
    expect(failing(report)).toEqual([])
    expect(verdictOf(report.checks)).toBe('restorable')
    expect(report.checks.map(({ id }) => id)).toEqual([
      ...['dump-size', 'dump-unchanged', 'same-master', 'counts-written-down', 'restores', 'key-count', 'backup-age'],
    ])
    expect(report.endpoint).toEqual({ kind: 'redis', host: '127.0.0.1', port: 6379, credentials: null })
    // It listens in the network of the sandbox alone.
    expect(world.machine.root('ss -ltnH | grep 127.0.0.1:6379 || true')).toBe('')
    const inside = world.machine.root(
      `pid=$(pgrep -u standby-sandbox redis-server); nsenter --net=/proc/$pid/ns/net redis-cli -h 127.0.0.1 GET key:4711`,
    )
    expect(inside.trim()).toBe('value-of-4711')
  })
})

describe('a restore test of dumps of Redis under Sentinel is not green', () => {
  beforeEach(() => world.emptySandbox())
  afterEach(() => world.emptySandbox())

  /** The good dump, with another content or another description. */
  async function changed(
    folder: string,
    change: (content: Buffer, description: DumpDescription) => Partial<DumpDescription> & { readonly content?: Buffer },
  ): Promise<RestoreTestReport> {
    const description = await describedIn('taken')
    const original = await bytesOf(`taken/${description.file}`)
    const { content = original, ...described } = change(original, description)
    await world.store.put(`${folder}/${description.file}`, content)
    await world.store.put(`${folder}/${STAMP}.json`, JSON.stringify({ ...description, ...described }))
    return restore(world.group({ folder }))
  }
  /** As it is described by an author who took it for the whole. */
  const asWritten = (content: Buffer) => ({
    content,
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  })

  test('without any dump, for a description that is none, and for one without its dump', async () => {
    expect(failing(await restore(world.group({ folder: 'nothing' })))).toEqual(['has-backup fail'])
    await world.store.put(`damaged/${STAMP}.json`, '{"schemaVersion":1}')
    expect(failing(await restore(world.group({ folder: 'damaged' })))).toEqual(['has-backup fail'])
    await world.store.put(`alone/${STAMP}.json`, JSON.stringify(await describedIn('taken')))
    expect(failing(await restore(world.group({ folder: 'alone' })))).toEqual(['dump-size fail'])
  })

  test('for a dump that was cut short in the store, or before it was stored', async () => {
    expect(failing(await changed('cut', (content) => ({ content: content.subarray(0, -1000) })))).toEqual([
      'dump-size fail',
    ])
    await world.emptySandbox()
    expect(failing(await changed('short', (content) => asWritten(content.subarray(0, -1000))))).toEqual([
      'restores fail',
    ])
  })

  test('for an empty file, and for a dump of which one byte is another', async () => {
    expect(failing(await changed('empty', () => asWritten(Buffer.alloc(0))))).toEqual(['restores fail'])
    await world.emptySandbox()
    const report = await changed('byte', (content) => {
      const damaged = Buffer.from(content)
      damaged[5000] = (damaged[5000] ?? 0) ^ 1
      return { content: damaged }
    })
    expect(failing(report)).toEqual(['dump-unchanged fail'])
  })

  test('for a dump of another master with as many keys, also where its description is its own', async () => {
    await world.takeDump(world.group({ folder: 'strange' }, STRANGER), TAKEN.toISOString())
    expect(failing(await restore(world.group({ folder: 'strange' })))).toEqual(['same-master fail'])
    await world.emptySandbox()
    const strange = await describedIn('strange')
    const content = await bytesOf(`strange/${strange.file}`)
    const { offset, runId } = await describedIn('taken')
    expect(failing(await changed('swapped', () => ({ ...asWritten(content), offset, runId, libraries: 0 })))).toEqual([
      'same-master fail',
    ])
  })

  test('for a manifest with other counts than its dump', async () => {
    const report = await changed('counts', () => ({ databases: { 0: { keys: 5000, expiring: 0 } }, keys: 5000 }))
    expect(failing(report)).toEqual(['counts-written-down fail'])
  })

  test('for an emptied master, whose dump is described as the full one', async () => {
    world.redis(STRANGER, 'FLUSHALL')
    await world.takeDump(world.group({ folder: 'flushed' }, STRANGER), TAKEN.toISOString())
    const flushed = await describedIn('flushed')
    expect(flushed.keys).toBe(0)
    const content = await bytesOf(`flushed/${flushed.file}`)
    const { origin, offset } = flushed
    const report = await changed('emptied', (_content, description) => ({
      ...asWritten(content),
      ...(origin === undefined ? {} : { origin: { ...origin, server: description.origin?.server ?? '' } }),
      offset,
    }))
    expect(failing(report)).toEqual(['counts-written-down fail', 'key-count fail'])
  })

  test('for an old dump that was stored as the newest one: it is as old as it says itself', async () => {
    // The field ctime of an RDB file is a number of four bytes; without its checksum Redis loads it all the same.
    const report = await changed('old', (content) => {
      const aged = Buffer.from(content)
      const at = aged.indexOf('ctime') + 'ctime'.length + 1
      aged.writeUInt32LE(Math.floor(Date.now() / 1_000) - 7_200, at)
      aged.fill(0, aged.length - 8)
      return { ...asWritten(aged), takenAt: new Date().toISOString() }
    })
    expect(failing(report)).toEqual(['backup-age objective-missed'])
    expect(verdictOf(report.checks)).toBe('degraded')
  })

  test('with a wrong key of the store: it proves nothing, and says why', async () => {
    const testing = testRestore(
      world.group({ folder: 'taken' }),
      DC_A,
      world.sandbox,
      world.context({ wrongKey: true }),
    )
    await expect(testing).rejects.toMatchObject({ code: expect.stringMatching(/^object-store-/) })
  })
})
