import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { neverBegan, WALDUMP, WHOLE } from '../../../../src/systems/postgres/decode-divergence.ts'
import { type Divergence, divergenceIn } from '../../../../src/systems/postgres/divergent-wal.ts'
import { parseLsn } from '../../../../src/systems/postgres/wal.ts'
import { type Postgres, startPostgres } from '../../../support/postgres.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'
import { MB16 } from '../../drivers/cloudnative-pg/cluster-states.ts'

const PROGRAMS = '/usr/lib/postgresql/15/bin'
const folder = temporaryFolder()
let postgres: Postgres
/**
 * A position in the first segment. After it come one commit in that segment, one in the second, one in the third, and
 * three more at the end.
 */
let fork = ''
/** Where the rows lie that are there in the end, by PostgreSQL's own word. */
let end = ''
let places = { users: '', updated: '', untouched: '' }

beforeAll(async () => {
  postgres = await startPostgres({ wal_keep_size: '256MB', max_prepared_transactions: '1' })
  await postgres.sql('CREATE TABLE users (id int)')
  await postgres.sql('CREATE TABLE orders (id int)')
  fork = await postgres.sql('SELECT pg_current_wal_lsn()')
  for (const id of [1, 2]) {
    await postgres.sql(`INSERT INTO users VALUES (${id})`)
    await postgres.sql('SELECT pg_switch_wal()')
  }
  await postgres.sql("BEGIN; INSERT INTO users VALUES (3); PREPARE TRANSACTION 'third'")
  await postgres.sql("COMMIT PREPARED 'third'")
  await postgres.sql('SELECT pg_switch_wal()')
  await postgres.sql("COPY orders FROM PROGRAM 'seq 5'")
  await postgres.sql('UPDATE orders SET id = 50 WHERE id = 5')
  await postgres.sql('DELETE FROM orders WHERE id = 1')
  places = {
    users: await postgres.sql("SELECT string_agg(ctid::text, ' ' ORDER BY id) FROM users"),
    updated: await postgres.sql('SELECT ctid FROM orders WHERE id = 50'),
    untouched: await postgres.sql("SELECT string_agg(ctid::text, ' ' ORDER BY id) FROM orders WHERE id < 5"),
  }
  end = await postgres.sql('SELECT pg_current_wal_flush_lsn()')
  const data = await postgres.sql('SHOW data_directory')
  cpSync(join(data, 'pg_wal'), join(folder, 'whole', 'pg_wal'), { recursive: true })
  for (const [name, segment] of [
    ['no-beginning', 1],
    ['a-hole', 2],
  ] as const) {
    cpSync(join(folder, 'whole'), join(folder, name), { recursive: true })
    rmSync(join(folder, name, 'pg_wal', `00000001000000000000000${segment}`))
  }
  cpSync(join(folder, 'whole'), join(folder, 'damaged'), { recursive: true })
  await tearOut(join(folder, 'damaged', 'pg_wal', '000000010000000000000004'), parseLsn(end))
}, 60_000)
afterAll(() => postgres.stop())

/** Zeroes in the middle of what was written of the segment up to a position. */
async function tearOut(path: string, end: bigint | null): Promise<void> {
  const written = Number((end ?? 0n) % BigInt(MB16))
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(16), 0, 16, Math.floor(written / 2))
  await file.close()
}

/** What the script says of a folder, as the pod would run it, in whichever place of the world. */
function dump(name: string, ...span: string[]): Divergence & { readonly stderr: string } {
  const env = { PATH: `${PROGRAMS}:${process.env.PATH}`, PGDATA: join(folder, name), TZ: 'Asia/Tokyo' }
  const { stdout, stderr } = spawnSync('sh', ['-c', WALDUMP, '1', ...span], { env, encoding: 'utf8' })
  return { ...divergenceIn(stdout), stderr }
}

/** Whether all of the WAL from a position up to another one can be read there, as the pod would judge it. */
function whole(name: string, from: string, to: string): boolean {
  const env = { PATH: `${PROGRAMS}:${process.env.PATH}`, PGDATA: join(folder, name) }
  return spawnSync('sh', ['-c', WHOLE, '1', from, to], { env, encoding: 'utf8' }).status === 0
}

describe('a real pg_waldump', () => {
  test('finds nothing after the end of the WAL, and that it is whole up to there', () => {
    expect(neverBegan(dump('whole', end).stderr)).toBe(true)
    expect(whole('whole', '0/4000000', end)).toBe(true)
    expect(whole('whole', '0/3000000', end)).toBe(true)
  })
  test('does not call it whole where a record is damaged, a segment is missing, or none lies in between', () => {
    expect(whole('damaged', '0/4000000', end)).toBe(false)
    expect(whole('a-hole', '0/1000000', end)).toBe(false)
    expect(whole('whole', '0/4000000', '0/4000000')).toBe(false)
    expect(whole('whole', '0/3000000', '0/4000000')).toBe(true)
  })
  test('reads from a position in a segment to the end of the WAL, which is an error to it and no sign that it never began', () => {
    const { commits, readTo, stderr } = dump('whole', fork)
    expect(commits).toBe(6)
    expect(readTo).toMatch(/^0\/04[0-9A-F]{6}$/)
    expect(neverBegan(stderr)).toBe(false)
  })
  test('tells its rows, those of a prepared transaction with them, and its times in UTC wherever it runs', () => {
    const { relations, uncommittedRows, firstCommitAt, lastCommitAt } = dump('whole', fork)
    expect(relations).toContainEqual({ relation: expect.any(String), inserted: 3, updated: 0, deleted: 0 })
    expect(uncommittedRows).toBe(0)
    const ago = [firstCommitAt, lastCommitAt].map((at) => Date.now() - Date.parse(at ?? ''))
    expect(Math.min(...ago)).toBeGreaterThan(0)
    expect(Math.max(...ago)).toBeLessThan(10 * 60_000)
  })
  test('names its rows by the places that PostgreSQL itself gave them', () => {
    const { rows } = dump('whole', fork)
    const relations = [...new Set(rows.map(({ relation }) => relation))]
    const of = (relation: string | undefined, change: string): string =>
      rows.flatMap((row) => (row.relation === relation && row.change === change ? [row.ctid] : [])).join(' ')
    const [users, orders] = relations.filter((relation) => of(relation, 'inserted') !== '')
    expect(of(users, 'inserted')).toBe(places.users)
    expect(of(orders, 'inserted')).toBe(`(0,1) ${places.untouched} (0,5)`)
    expect(of(orders, 'updated')).toBe(places.updated)
    expect(of(orders, 'deleted')).toBe('(0,1)')
  })
  test('stops at the end of a timeline that lies at the end of a segment', () =>
    expect(dump('whole', fork, '0/2000000').commits).toBe(1))
  test('prints nothing at all without its first segment, and what is before a hole: only the names of the segments tell', () => {
    expect(dump('no-beginning', fork).commits).toBe(0)
    expect(dump('a-hole', fork).commits).toBe(1)
  })
  test('says so when there is no record to begin with', () =>
    expect(neverBegan(dump('whole', '0/3FFFFF0').stderr)).toBe(true))
})
