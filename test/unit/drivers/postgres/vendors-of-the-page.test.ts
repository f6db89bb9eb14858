import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { parse } from 'yaml'
import { systemClock } from '../../../../src/composition/connect.ts'
import type { Sandbox } from '../../../../src/domain/restore-test.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { Reach } from '../../../../src/driver/reach.ts'
import { copyNameOf, testDeclaredRestore } from '../../../../src/drivers/postgres/backup/declared-restore.ts'
import type { Database, PostgresSpec } from '../../../../src/drivers/postgres/spec.ts'
import { performCall } from '../../../../src/systems/declared-call/perform.ts'
import type { DeclaredCall } from '../../../../src/systems/declared-call/spec.ts'
import { minutes, seconds } from '../../../../src/values/duration.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import { recordsIn } from '../../../../src/witness/records-in-store.ts'
import { memoryStore } from '../../../support/memory-store.ts'
import { type PostgresPair, pairContext, startPair } from '../../../support/postgres-pair.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { DC_A, DC_B, databaseOf } from './database.ts'
import { type RestoredCopies, startCopies } from './restored-copies.ts'
import { writeVendors } from './vendor-programs.ts'

jest.setTimeout(120_000)

const page = readFileSync(join(import.meta.dirname, '../../../../docs/drivers/postgres.md'), 'utf8')
const listings = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map(([, text = '']) => text)
const scriptNamed = (name: string): string => {
  const found = listings('sh').find((text) => text.includes(`# ${name} begin|state|end`))
  if (found === undefined) throw new Error(`the page has no ${name}`)
  return found
}
/** The declarations of the page's listings that name this program in one of their calls. */
const declared = (key: 'restore' | 'fence' | 'promote', program: string): PostgresSpec =>
  listings('yaml')
    .map((text) => parse(text) as PostgresSpec)
    .find((spec) => JSON.stringify(spec[key] ?? null).includes(program)) ?? failing(`no ${key} by ${program}`)
const failing = (what: string): never => {
  throw new Error(what)
}

let [pair, copies, home] = [] as unknown as [PostgresPair, RestoredCopies, string]
const path = process.env.PATH
beforeAll(async () => {
  pair = await startPair(
    "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 100); CREATE SCHEMA audit; CREATE TABLE audit.logs (id int); GRANT pg_read_all_data TO standby; CREATE ROLE counter LOGIN PASSWORD 'a-password' IN ROLE pg_monitor, pg_read_all_data;",
  )
  copies = await startCopies()
}, 120_000)
afterAll(async () => {
  await copies?.stop()
  await pair?.stop()
})
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'standby-vendor-'))
  await writeVendors(home, { program: copies.program, port: copies.port, sourcePort: pair.servers['dc-a'].port })
  for (const name of ['rds-restore.sh', 'sql-restore.sh'])
    await writeFile(join(home, name), scriptNamed(name), { mode: 0o755 })
  process.env.PATH = `${home}:${path}`
})
afterEach(async () => {
  process.env.PATH = path
  await rm(home, { recursive: true, force: true })
})

const { signal } = new AbortController()
const log = { info: () => undefined, debug: () => undefined, warning: () => undefined }
const reaching = pairContext(signal)
const contextOf = (): DriverContext =>
  ({
    ...reaching,
    // Each instance of Cloud SQL listens on 5432, at an address of its own.
    askSql: ({ server, ...question }: Parameters<DriverContext['askSql']>[0], reach: Reach) =>
      reaching.askSql({ ...question, server: server.port === 5432 ? { ...server, port: copies.port } : server }, reach),
    signal,
    clock: systemClock,
    log,
    records: recordsIn(memoryStore(), log),
    stack: { ...toyStack, source: { directory: home, path: '', digest: '' } },
  }) as unknown as DriverContext
const sandbox: Sandbox = {
  id: 't1',
  site: DC_B,
  namespace: 'sandbox',
  labels: {},
  deadline: minutes(1),
  endpointOf: () => null,
}
const values = { instance: 'orders', region: 'eu-central-1', subnets: 'restore-tests', group: 'sg-0123' }

/** The pair with the page's declaration; certificates are the vendor's, and these servers have none. */
function managed(program: string): Database {
  const { restore = failing('no restore') } = declared('restore', program)
  const { authority: _, ...without } = restore
  const database = databaseOf(pair, { restore: without })
  const sites = Object.entries(database.spec.sites).map(([site, spec]) => [site, { ...spec, values }] as const)
  return { ...database, spec: { ...database.spec, sites: Object.fromEntries(sites) } }
}
const instances = async (): Promise<string[]> =>
  Object.keys(JSON.parse(await readFile(join(home, 'instances.json'), 'utf8')) as object)

describe('the listings of the page, against programs with the states of the vendors', () => {
  test.each(['rds-restore.sh', 'sql-restore.sh'])(
    '%s restores into a server of its own, which is judged and removed',
    async (program) => {
      const database = managed(program)
      const context = contextOf()
      const report = await testDeclaredRestore(database, DC_A, sandbox, context, 100)
      // Nothing was counted before the point in time that the listing restores to.
      expect(report.checks.filter(({ outcome }) => outcome !== 'pass').map(({ id }) => id)).toEqual(['manifest'])
      expect(verdictOf(report.checks)).toBe('inconclusive')
      const age = Date.now() - Date.parse(report.backup.takenAt)
      expect(age).toBeLessThan(minutes(12))
      expect(age).toBeGreaterThan(-1_000)
      expect(await instances()).toEqual(['orders'])
    },
  )

  test.each(['rds-restore.sh', 'sql-restore.sh'])(
    '%s may be called twice, and removes what an earlier test left',
    async (program) => {
      const database = managed(program)
      const context = contextOf()
      const { begin, end, state } = database.spec.restore ?? failing('no restore')
      const asking = {
        values: { ...values, copy: copyNameOf(database, context) },
        deadline: seconds(60),
        reach: 'outside-sites' as const,
        signal,
      }
      const call = (one: DeclaredCall) => performCall(one, asking, context)
      expect((await call(state)).succeeded).toBe(false)
      expect(await call(end)).toMatchObject({ succeeded: true })
      expect(await call(begin)).toMatchObject({ succeeded: true })
      expect(await call(begin)).toMatchObject({ succeeded: true })
      expect(await instances()).toContain(copyNameOf(database, context))
      const report = await testDeclaredRestore(database, DC_A, sandbox, context, 100)
      expect(report.checks.find(({ id }) => id === 'restores')).toMatchObject({ outcome: 'pass' })
      expect(await call(end)).toMatchObject({ succeeded: true })
      expect(await instances()).toEqual(['orders'])
    },
  )

  test('rds-restore.sh does not take a question that fails for a copy that is gone', async () => {
    await writeFile(join(home, 'aws'), '#!/bin/sh\necho "Unable to locate credentials" >&2; exit 253\n', {
      mode: 0o755,
    })
    const { end } = managed('rds-restore.sh').spec.restore ?? failing('no restore')
    const asking = { values: { ...values, copy: 'x' }, deadline: seconds(60), reach: 'outside-sites' as const, signal }
    expect(await performCall(end, asking, contextOf())).toMatchObject({ succeeded: false })
  })

  test('the fence of Cloud SQL stops an instance, says so, and starts it again', async () => {
    const { fence = failing('no fence') } = declared('fence', 'gcloud')
    const { isShut = failing('no question') } = fence
    const asking = { values, deadline: seconds(60), reach: 'outside-sites' as const, signal }
    const ask = async (): Promise<boolean> => (await performCall(isShut.ask, asking, contextOf())).value === isShut.says
    expect(await ask()).toBe(false)
    for (const _ of ['once', 'twice'])
      expect(await performCall(fence.shut, asking, contextOf())).toMatchObject({ succeeded: true })
    expect(await ask()).toBe(true)
    expect(await performCall(fence.open, asking, contextOf())).toMatchObject({ succeeded: true })
    expect(await ask()).toBe(false)
  })

  test.each(['aws', 'gcloud'])('the promotion by %s is a command of the vendor', async (program) => {
    const { promote } = declared('promote', program)
    if (promote === 'sql') throw new Error('it promotes by SQL')
    const asking = { values, deadline: seconds(60), reach: 'outside-sites' as const, signal }
    expect(await performCall(promote, asking, contextOf())).toMatchObject({ succeeded: true })
  })
})
