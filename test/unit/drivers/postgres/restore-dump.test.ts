import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { RestoreTestReport } from '../../../../src/driver/restore-test.ts'
import type { DumpDescription } from '../../../../src/drivers/postgres/backup/catalogue.ts'
import { testRestore } from '../../../../src/drivers/postgres/backup/restore-test.ts'
import { postgres } from '../../../../src/drivers/postgres/driver.ts'
import type { Database } from '../../../../src/drivers/postgres/spec.ts'
import { testRestored } from '../../../../src/drivers/systemd/restore-test.ts'
import type { Application } from '../../../../src/drivers/systemd/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import { DC_A } from './database.ts'
import { type MachineWithDumps, PASSWORD, startMachineWithDumps } from './machine-with-dumps.ts'

jest.setTimeout(240_000)

let world: MachineWithDumps
beforeAll(async () => {
  world = await startMachineWithDumps()
}, 900_000)
afterAll(() => world.stop())

const TAKEN = new Date()
const STAMP = TAKEN.toISOString().replaceAll(/[-:]|\.\d+/g, '')
const restore = (component: Database): Promise<RestoreTestReport> =>
  testRestore(component, DC_A, world.sandbox, world.context())
const failing = ({ checks }: RestoreTestReport): string[] =>
  checks.filter(({ outcome }) => outcome !== 'pass').map(({ id, outcome }) => `${id} ${outcome}`)

/** The description that lies beside the dump of a folder. */
async function described(folder: string): Promise<DumpDescription> {
  const found = await world.store.get(`${folder}/${STAMP}.json`)
  return JSON.parse(found?.body ?? '') as DumpDescription
}
const describeAs = (folder: string, description: DumpDescription): Promise<string> =>
  world.store.put(`${folder}/${STAMP}.json`, JSON.stringify(description))

/** A dump that others took, by the programs of the machine. */
async function foreignDump(folder: string, database: string, options = ''): Promise<void> {
  const base64 = world.machine.root(`cd /; runuser -u postgres -- pg_dump -Fc ${options} ${database} | base64 -w 0`)
  await world.store.put(`${folder}/nightly.dump`, Buffer.from(base64, 'base64'))
}

/** Serves once it has counted by the URL that it got. */
const PROGRAM = `rows=$(/usr/lib/postgresql/15/bin/psql -XAt "$DATABASE_URL" -c 'SELECT count(*) FROM orders') && [ "$rows" = 1000 ] &&
exec /usr/local/bin/node -e 'require("node:http").createServer((_, answer) => answer.end()).listen(8080, "127.0.0.1")'`

/** An application of hosts that needs the database. */
const asking = (database: string, of = (field: string) => `\${${database}.${field}}`): Application => ({
  name: 'application',
  driver: 'systemd',
  needs: [database],
  spec: {
    units: { 'dc-a': { 'db-1': ['app'] }, 'dc-b': { 'db-1': ['app'] } },
    restoreTest: {
      run: ['/bin/sh', '-c', PROGRAM],
      environment: {
        DATABASE_URL: `postgresql://${of('user')}:${of('password')}@${of('host')}:${of('port')}/${of('database')}`,
      },
      url: 'http://127.0.0.1:8080',
    },
  },
})

describe('the dump of a PostgreSQL that others run', () => {
  beforeEach(() => world.emptySandbox())
  afterEach(() => world.emptySandbox())

  test('is taken over ssh, counted in its own snapshot, stored in parts, and leaves nothing on the machine', async () => {
    const component = world.database({ folder: 'taken' })
    const context = world.context()
    const seen = await world.takeDump(component, TAKEN.toISOString(), context)
    expect(seen).toMatchObject({ is: 'done', proof: { details: { counts: { orders: 1000, 'audit.logs': 200_000 } } } })
    const { parts, systemId, extensions } = await described('taken')
    expect(parts.length).toBeGreaterThan(1)
    expect(systemId).toBe(world.sql('SELECT system_identifier FROM pg_control_system()').trim())
    expect(extensions).toEqual(['citext', 'plpgsql'])
    expect(world.machine.root('ls -A /var/tmp | grep standby-dump || true')).toBe('')
    expect(context.commands.join('\n')).not.toContain(PASSWORD)
    expect(context.commands.join('\n')).not.toContain(Buffer.from(PASSWORD).toString('base64'))
    // Performed again, as by a process that lost the answer, it stays the dump that it was.
    await world.takeDump(component, TAKEN.toISOString())
    expect((await described('taken')).parts).toEqual(parts)
  })

  test('is not taken with a wrong password, and the step says so', async () => {
    const taking = world.takeDump(
      world.database({ folder: 'refused' }),
      TAKEN.toISOString(),
      world.context({ password: 'x' }),
    )
    await expect(taking).rejects.toMatchObject({
      code: 'database-dump-failed',
      message: expect.stringContaining('password'),
    })
    expect(await world.store.list('refused/')).toEqual([])
    expect(world.machine.root('ls -A /var/tmp | grep standby-dump || true')).toBe('')
  })

  test('that was taken by Standby is restored, judged and asked', async () => {
    const component = world.database({ folder: 'taken' })
    const report = await restore(component)
    expect(failing(report)).toEqual([])
    expect(verdictOf(report.checks)).toBe('restorable')
    expect(report.checks.map(({ id }) => id)).toEqual([
      ...['dump-size', 'dump-unchanged', 'accepts-writes', 'same-database', 'not-empty', 'extensions', 'row-counts'],
      ...['backup-age', 'restore-time'],
    ])
    expect(report.endpoint).toMatchObject({ kind: 'postgres', database: 'app', user: 'postgres' })
    // Of the copy, and not of the primary.
    const copy = await postgres.database?.sql(
      component,
      world.sandbox,
      "SELECT count(*), current_setting('listen_addresses'), max(what) FROM orders",
      world.context(),
    )
    expect(copy).toEqual([['1000', '127.0.0.1', 'Größe 999']])
    expect(world.sql('SHOW listen_addresses').trim()).toBe('*')
  })

  test('that was restored is a database on which the restore test of an application starts it', async () => {
    const database = world.database({ folder: 'taken' })
    const { endpoint } = await restore(database)
    const sandbox = { ...world.sandbox, endpointOf: () => endpoint as unknown as JsonObject }
    const { checks } = await testRestored(asking(database.name), DC_A, sandbox, world.context())
    expect(checks.map(({ id, outcome, found }) => [id, outcome, found])).toEqual([
      ['same-instance', 'inconclusive', expect.any(String)],
      ['starts', 'pass', 'it serves'],
    ])
  })
})

describe('a restore test of dumps is not green', () => {
  beforeEach(() => world.emptySandbox())
  afterEach(() => world.emptySandbox())
  const taken = async (folder: string, change: (description: DumpDescription) => Promise<DumpDescription>) => {
    const original = await described('taken')
    const own = { ...original }
    for (const { key } of original.parts) await copyPart(`taken/${key}`, `${folder}/${key}`)
    await describeAs(folder, await change(own))
    return restore(world.database({ folder }))
  }
  /** The client reads text alone: bytes are read by the address that a sandbox gets. */
  const bytesOf = async (key: string): Promise<Buffer> =>
    Buffer.from(await (await fetch(await world.store.presignedGet(key, 60_000))).arrayBuffer())
  const copyPart = async (from: string, to: string): Promise<unknown> => world.store.put(to, await bytesOf(from))

  test('without any dump, and for one whose description is none', async () => {
    expect(failing(await restore(world.database({ folder: 'nothing' })))).toEqual(['has-backup fail'])
    await world.store.put(`damaged/${STAMP}.json`, '{"schemaVersion":1}')
    expect(failing(await restore(world.database({ folder: 'damaged' })))).toEqual(['has-backup fail'])
  })

  test('for a dump that was cut short in the store', async () => {
    const report = await taken('cut', async (description) => {
      const last = description.parts.at(-1)?.key ?? ''
      await world.store.put(`cut/${last}`, (await bytesOf(`cut/${last}`)).subarray(0, -1000))
      return description
    })
    expect(failing(report)).toEqual(['dump-size fail'])
  })

  test('for a dump that was cut short before it was stored: it matches what is written about it', async () => {
    const report = await taken('short', async (description) => {
      const [first] = description.parts
      if (first === undefined) throw new Error('a dump has a part')
      const body = (await bytesOf(`short/${first.key}`)).subarray(0, 1_000_000)
      await world.store.put(`short/${first.key}`, body)
      const sha256 = createHash('sha256').update(body).digest('hex')
      return { ...description, parts: [{ ...first, bytes: body.length, sha256 }] }
    })
    expect(failing(report)).toEqual(['restores fail'])
  })

  test('for a dump of which one byte is another', async () => {
    const report = await taken('changed', async (description) => {
      const key = `changed/${description.parts[0]?.key}`
      const body = await bytesOf(key)
      body[body.length - 100] = (body[body.length - 100] ?? 0) ^ 1
      await world.store.put(key, body)
      return description
    })
    expect(failing(report)).toEqual(['dump-unchanged fail'])
  })

  test('for a dump whose manifest has other counts, or another server', async () => {
    const report = await taken('counts', async (description) => ({
      ...description,
      systemId: '7000000000000000001',
      counts: { ...description.counts, orders: 999 },
    }))
    expect(failing(report)).toEqual(['same-database fail', 'row-counts fail'])
  })

  test('for a dump of another database, though it holds more rows of the same tables', async () => {
    await describeAs('other', await described('taken'))
    await foreignDump('other', 'other')
    const report = await restore(world.database({ folder: 'other' }))
    expect(failing(report)).toEqual(['same-database fail', 'extensions fail'])
  })

  test('for an empty dump of the right database', async () => {
    await describeAs('empty', await described('taken'))
    world.sql('CREATE DATABASE kept TEMPLATE app', 'postgres')
    world.sql('TRUNCATE orders, audit.logs')
    try {
      await foreignDump('empty', 'app')
    } finally {
      world.sql('ALTER DATABASE app RENAME TO emptied', 'postgres')
      world.sql('ALTER DATABASE kept RENAME TO app', 'postgres')
    }
    const report = await restore(world.database({ folder: 'empty' }))
    expect(failing(report)).toEqual(['not-empty fail', 'row-counts fail'])
  })

  test('for a dump of others about which nothing was ever written down', async () => {
    await foreignDump('unknown', 'app', '--exclude-table-data=audit.logs')
    const report = await restore(world.database({ folder: 'unknown' }))
    expect(failing(report)).toEqual(['manifest inconclusive'])
    expect(verdictOf(report.checks)).toBe('inconclusive')
  })

  test('with a wrong key of the store: it proves nothing, and says why', async () => {
    const testing = testRestore(
      world.database({ folder: 'taken' }),
      DC_A,
      world.sandbox,
      world.context({ wrongKey: true }),
    )
    await expect(testing).rejects.toMatchObject({ code: expect.stringMatching(/^object-store-/) })
  })
})
