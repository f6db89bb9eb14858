import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { systemClock } from '../../../../src/composition/connect.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { RestoreTestReport } from '../../../../src/driver/restore-test.ts'
import { judgeApart, type ServerIdentity } from '../../../../src/drivers/postgres/backup/apart.ts'
import { copyStateIn } from '../../../../src/drivers/postgres/backup/copy-answer.ts'
import { copyNameOf, testDeclaredRestore } from '../../../../src/drivers/postgres/backup/declared-restore.ts'
import { manifest, manifestSteps } from '../../../../src/drivers/postgres/backup/manifest.ts'
import { postgres } from '../../../../src/drivers/postgres/driver.ts'
import type { Database, DeclaredRestore } from '../../../../src/drivers/postgres/spec.ts'
import { minutes } from '../../../../src/values/duration.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import { recordsIn } from '../../../../src/witness/records-in-store.ts'
import { memoryStore } from '../../../support/memory-store.ts'
import { type PostgresPair, pairContext, startPair } from '../../../support/postgres-pair.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { DC_A, DC_B, databaseOf } from './database.ts'
import { type RestoredCopies, startCopies } from './restored-copies.ts'

jest.setTimeout(60_000)

let pair: PostgresPair
let copies: RestoredCopies
beforeAll(async () => {
  pair = await startPair(
    'CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 1000); GRANT pg_read_all_data TO standby;',
  )
  copies = await startCopies()
}, 120_000)
afterAll(async () => {
  await copies?.stop()
  await pair?.stop()
})

const signal = new AbortController().signal
const warned: string[] = []
const log = { info: () => undefined, debug: () => undefined, warning: (text: string) => void warned.push(text) }
const sandbox: Sandbox = {
  id: 't1',
  site: DC_B,
  namespace: 'sandbox',
  labels: {},
  deadline: minutes(1),
  endpointOf: () => null,
}
let records = recordsIn(memoryStore(), log)
const contextOf = (more: Partial<DriverContext> = {}): DriverContext =>
  ({
    ...pairContext(signal),
    signal,
    clock: systemClock,
    log,
    records,
    stack: { ...toyStack, source: { directory: '/', path: '', digest: '' } },
    ...more,
  }) as unknown as DriverContext

const databaseWith = (restore: Partial<DeclaredRestore> = {}): Database => {
  const call = (what: string) => ({ run: [copies.program, what, '{copy}', '{port}'] })
  return databaseOf(pair, {
    restore: {
      begin: call('begin'),
      state: call('state'),
      end: call('end'),
      tables: ['orders'],
      ...restore,
    },
  })
}
const restored = (database = databaseWith(), context = contextOf()): Promise<RestoreTestReport> =>
  testDeclaredRestore(database, DC_A, sandbox, context, 100)
/** The whole time of the restore passes in its pauses. */
function impatient(): Partial<DriverContext> {
  let passed = 0
  return {
    clock: {
      now: () => new Date(Date.now() + passed),
      async sleep() {
        passed += minutes(1)
      },
    },
  }
}
const failing = ({ checks }: RestoreTestReport): string[] =>
  checks.filter(({ outcome }) => outcome !== 'pass').map(({ id, outcome }) => `${id} ${outcome}`)

/** As `standby backup` performs it. */
async function writeManifest(database = databaseWith()): Promise<unknown> {
  const { behaviour } = manifest
  if (behaviour.is !== 'plain') throw new Error('the manifest is a plain effect')
  const run = {
    step: { id: 'database.manifest@dc-a', phase: 'PROTECT' as const, parameters: {} },
    component: database,
    site: DC_A,
    intent: null,
    context: contextOf(),
    signal,
    begunAt: new Date().toISOString(),
    memory: { value: undefined, set: () => undefined },
    applied: false,
    pastReturn: false,
    proofOf: () => null,
  }
  const before = await behaviour.done(run)
  await behaviour.apply(run)
  return [before.is, await behaviour.done(run)]
}
/** The vendor restores to whole seconds. */
const nextSecond = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1_100))

describe('a declared restore of a PostgreSQL that others run', () => {
  beforeEach(async () => {
    records = recordsIn(memoryStore(), log)
    warned.length = 0
    await copies.forgetCalls()
  })
  afterEach(async () => {
    await copies.answer(null)
    await copies.afterRestore('')
  })

  test('is judged by what standby backup wrote down, and its server is removed', async () => {
    expect(manifestSteps(databaseWith(), DC_A)).toMatchObject([{ action: 'manifest', parameters: {} }])
    expect(manifestSteps(databaseOf(pair), DC_A)).toEqual([])
    expect(await writeManifest()).toMatchObject([
      'pending',
      { is: 'done', proof: { details: { counts: { orders: 1000 } } } },
    ])
    await nextSecond()
    const report = await restored()
    expect(failing(report)).toEqual([])
    expect(verdictOf(report.checks)).toBe('restorable')
    expect(report.checks.map(({ id }) => id)).toEqual([
      ...['restores', 'not-production', 'accepts-writes', 'same-database', 'not-empty', 'extensions', 'row-counts'],
      ...['backup-age', 'restore-time'],
    ])
    const name = copyNameOf(databaseWith(), contextOf())
    expect(name).toMatch(/^standby-database-[0-9a-f]{8}$/)
    expect(await copies.calls()).toEqual([`end ${name}`, `begin ${name}`, `end ${name}`])
    expect(report.backup).toMatchObject({ id: name, bytes: null })
  })

  test('is not green without a manifest, nor with one that is younger than the restored data', async () => {
    expect(failing(await restored())).toEqual(['manifest inconclusive'])
    const context = contextOf()
    const late: DriverContext = {
      ...context,
      async run(...all) {
        const result = await context.run(...all)
        if (all[1][0] === 'begin') await writeManifest()
        return result
      },
    }
    expect(failing(await restored(databaseWith(), late))).toEqual(['manifest inconclusive'])
  })

  test('is not green where rows are missing, or the counted tables hold none', async () => {
    await writeManifest()
    await nextSecond()
    await copies.afterRestore('DELETE FROM orders WHERE id > 990')
    expect(failing(await restored())).toEqual(['row-counts fail'])
    await copies.afterRestore('TRUNCATE orders')
    expect(failing(await restored())).toEqual(['not-empty fail', 'row-counts fail'])
  })

  /** What a program answers that a person copied from another place: after what an earlier test left is removed. */
  const answering = (answer: string): DriverContext => {
    const context = contextOf()
    return {
      ...context,
      async run(...all) {
        if (all[1][0] === 'begin') await copies.answer(answer)
        return context.run(...all)
      },
    }
  }

  test.each([
    ['the active server, by its declared address', () => `host=127.0.0.1 port=${pair.servers['dc-a'].port}`],
    ['the active server, by another name', () => `host=localhost port=${pair.servers['dc-a'].port}`],
    ['the replica of the passive site, by another name', () => `host=localhost port=${pair.servers['dc-b'].port}`],
  ])('that answers with %s is refused, and nothing is removed', async (_what, place) => {
    const answer = `${place()} database=app takenAt=${new Date().toISOString()}`
    await writeManifest()
    const report = await restored(databaseWith(), answering(answer))
    expect(failing(report)).toEqual(['not-production fail'])
    expect(verdictOf(report.checks)).toBe('not-restorable')
    const name = copyNameOf(databaseWith(), contextOf())
    expect(await copies.calls()).toEqual([`end ${name}`, `begin ${name}`])
    expect(warned.join()).toContain('is not removed')
    // The next test finds it under the name of a copy, and begins nothing.
    await copies.forgetCalls()
    await expect(restored()).rejects.toMatchObject({ code: 'restored-copy-not-apart' })
    expect(await copies.calls()).toEqual([])
    await copies.answer(null)
    await restored()
  })

  test('is not begun while the server of a site is silent', async () => {
    await pair.operate('stop', 'dc-b')
    await expect(restored()).rejects.toMatchObject({ code: 'database-silent' })
    expect(await copies.calls()).toEqual([])
    await pair.operate('start', 'dc-b')
  })

  test('proves nothing where a site falls silent while it runs', async () => {
    const context = contextOf(impatient())
    const silenced: DriverContext = {
      ...context,
      async run(...all) {
        const result = await context.run(...all)
        if (all[1][0] === 'begin') await pair.operate('stop', 'dc-b')
        return result
      },
    }
    const report = await restored(databaseWith(), silenced)
    expect(failing(report)).toEqual(['not-production inconclusive', 'copy-removed inconclusive'])
    await pair.operate('start', 'dc-b')
  })

  test('is not green where its server never serves, and says what was answered last', async () => {
    await copies.answer('creating')
    const report = await restored(databaseWith(), contextOf(impatient()))
    expect(report.checks).toMatchObject([
      { id: 'restores', outcome: 'fail', found: expect.stringContaining('creating') },
    ])
    await copies.answer('failed incompatible-restore')
    expect((await restored()).checks).toMatchObject([{ id: 'restores', found: 'failed incompatible-restore' }])
  })

  test('that is refused ends the test, and what it may have begun is removed', async () => {
    const refused = databaseWith({ begin: { run: ['/bin/false'] } })
    await expect(restored(refused)).rejects.toMatchObject({ code: 'declared-call-refused' })
    const name = copyNameOf(refused, contextOf())
    expect(await copies.calls()).toEqual([`end ${name}`, `end ${name}`])
  })

  test('has no age where its data are said to be of the future', async () => {
    await writeManifest()
    const report = await restored(
      databaseWith(),
      answering(`host=localhost port=${copies.port} database=app takenAt=2999-01-01T00:00:00Z`),
    )
    expect(failing(report)).toEqual(['backup-age inconclusive'])
  })
})

describe('whether a restored copy is a server of its own', () => {
  const own = (startedAt: string, more: Partial<ServerIdentity> = {}): ServerIdentity => ({
    systemId: '7',
    startedAt,
    inRecovery: false,
    ...more,
  })
  const sites = { 'dc-a': own('1.000001'), 'dc-b': own('2.000001', { inRecovery: true }) }

  test('is known where it began at another time than each server of a site', () => {
    expect(judgeApart(sites, own('3.000001'), sites)).toMatchObject({ is: 'apart' })
    expect(judgeApart(sites, own('1.000001', { systemId: '8' }), sites)).toMatchObject({ is: 'apart' })
  })

  test('is refused for a server of a site, also for one that is silent in one of two looks', () => {
    expect(judgeApart(sites, own('1.000001'), sites)).toMatchObject({ is: 'not-apart' })
    expect(judgeApart({ ...sites, 'dc-b': 'silent' }, own('1.000001'), sites)).toMatchObject({ is: 'not-apart' })
    expect(judgeApart(sites, own('9.9', { inRecovery: true }), sites)).toMatchObject({ is: 'not-apart' })
  })

  test('is unknown where a site or the copy is silent, or a site restarts between two looks', () => {
    expect(judgeApart(sites, 'silent', sites)).toMatchObject({ is: 'unknown' })
    expect(judgeApart(sites, own('3.000001'), { ...sites, 'dc-b': 'silent' })).toMatchObject({ is: 'unknown' })
    expect(judgeApart(sites, own('3.000001'), { ...sites, 'dc-a': own('4.000001') })).toMatchObject({ is: 'unknown' })
  })
})

describe('the answer to restore.state', () => {
  test.each([
    ['host=db port=5432 database=app takenAt=2026-11-30T10:00:00+01:00', 'serves'],
    ['takenAt=2026-11-30T09:00:00.5Z database=app port=5432 host=db', 'serves'],
    ['creating', 'pending'],
    ['', 'pending'],
    ['failed no such snapshot', 'failed'],
    ['host=db port=5432 database=app takenAt=2026-11-30T09:00:00', 'failed'],
    ['host=db port=99999 database=app takenAt=2026-11-30T09:00:00Z', 'failed'],
    ['host= port=5432 database=app takenAt=2026-11-30T09:00:00Z', 'failed'],
    ['host=db port=5432 takenAt=2026-11-30T09:00:00Z', 'failed'],
  ])('%p is %s', (answer, is) => {
    expect(copyStateIn(answer).is).toBe(is)
  })

  test('gives the time of the data in UTC', () => {
    expect(copyStateIn('host=db port=5432 database=app takenAt=2026-11-30T10:00:00+01:00')).toEqual({
      is: 'serves',
      copy: { host: 'db', port: 5432, database: 'app', takenAt: '2026-11-30T09:00:00.000Z' },
    })
  })
})

describe('the declaration of a restore', () => {
  const problems = (database: Database): string[] =>
    (postgres.validate?.(database, toyStack, () => null) ?? [])
      .filter(({ severity = 'error' }) => severity === 'error')
      .map(({ path }) => path.join('.'))

  test('knows {copy}, which no other call knows, and takes no dumps beside it', () => {
    expect(problems(databaseWith())).toEqual([])
    expect(problems(databaseOf(pair, { demote: { run: ['/bin/true', '{copy}'] } }))).toEqual(['demote.run.1'])
    const both = databaseWith()
    const dumps = { store: 'backups', folder: 'dumps', tables: ['orders'] }
    expect(problems({ ...both, spec: { ...both.spec, dumps } })).toContain('restore')
  })

  test('gives its credentials to the restore tester, and to the mover, who tests a fresh backup', () => {
    const uses = postgres.credentials?.(
      databaseWith({ begin: { run: ['/bin/true'], environment: { KEY: { env: 'CLOUD_KEY' } } } }),
      toyStack,
    )
    expect(uses?.find(({ reference }) => 'env' in reference && reference.env === 'CLOUD_KEY')?.identities).toEqual([
      'mover',
      'restore-tester',
    ])
  })
})
