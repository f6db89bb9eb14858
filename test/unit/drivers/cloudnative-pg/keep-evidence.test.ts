import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { keepEvidenceStep } from '../../../../src/drivers/cloudnative-pg/rejoin/keep-evidence.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { WHOLE } from '../../../../src/systems/postgres/decode-divergence.ts'
import { asPlanned } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { cloudNativePg } from '../../../support/flat/drivers.ts'
import { cluster } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const rejoin: Intent = { mode: 'rejoin', from: 'dc-b' as SiteName, to: 'dc-a' as SiteName }
const database = theDatabase()
const stack = databaseStack(database)
const keep = cloudNativePg.behaviours['keep-evidence']
const segment = (n: number): string => `00000003000000000000000${n}`
const INSERT =
  'rmgr: Heap        len (rec/tot):     59/    59, tx:        745, lsn: 0/07000110, prev 0/070000D8, desc: INSERT off 1 flags 0x00, blkref #0: rel 1663/16385/16389 blk 0'
const COMMIT =
  'rmgr: Transaction len (rec/tot):     34/    34, tx:        745, lsn: 0/07000150, prev 0/07000110, desc: COMMIT 2026-11-21 03:19:50 UTC'

interface Around {
  /** Position of the last checkpoint. */
  readonly checkpoint?: string
  /** Whether pg_waldump reads all of the WAL from the segment before the fork up to the fork. */
  readonly whole?: boolean
  /** Segments on the volume of the former primary. */
  readonly names: readonly string[]
  readonly state?: string
  readonly stderr?: string
  readonly printed?: string
  readonly uid?: string
  readonly begunAt?: string
  /** The bucket. */
  readonly bucket?: Map<string, string>
}

/** A former primary on timeline 3, whose successor left it at 0/7000100. */
function around(of: Around) {
  const {
    names,
    state = 'shut down',
    stderr = '',
    printed = COMMIT,
    uid = 'uid-pg-dc-a',
    begunAt,
    bucket = new Map(),
  } = of
  const { checkpoint = '0/8000060', whole = true } = of
  const control = `Database cluster state:  ${state}\nLatest checkpoint location:  ${checkpoint}\nLatest checkpoint's TimeLineID:  3\nBytes per WAL segment:  16777216\n`
  const says = (stdout: string, error = '') => ({ code: 0, stdout, stderr: error })
  const kubernetes = (site: string): Partial<KubernetesClient> => ({
    site,
    get: async ({ name }) => cluster(name) as unknown as KubernetesObject,
    async exec(_pod, argv, options) {
      const script = argv.join(' ')
      if (options?.stdin?.includes('pg_filenode_relation')) return says('1663/16385/16389\u001fpublic\u001fusers')
      if (script.startsWith('psql'))
        return says(
          ['1\u001f0/3000000', '2\u001f0/5000000', '3\u001f0/7000100'].map((l) => `history\u001f${l}`).join('\n'),
        )
      if (script.startsWith('pg_controldata')) return says(control)
      if (script.includes('.history')) return says('1\t0/3000000\tx\n2\t0/5000000\tx\n')
      if (script.includes(WHOLE)) return { ...says(''), code: whole ? 0 : 1 }
      if (script.includes('pg_waldump')) return says(printed, stderr)
      if (script.includes('ls -1')) return says(names.join('\n'))
      return says(Buffer.from('wal').toString('base64'))
    },
  })
  const store = {
    get: async (key: string) => (bucket.has(key) ? { body: bucket.get(key) ?? '' } : null),
    put: async (key: string, body: string) => void bucket.set(key, body),
  }
  const run = {
    step: asPlanned(database, keepEvidenceStep(database, rejoin, 'pg-dc-a-g1', uid)),
    component: database,
    intent: rejoin,
    context: {
      stack,
      kubernetes,
      objectStore: () => ({ open: async () => store }),
      clock: { now: () => new Date('2026-11-21T06:00:00Z') },
      log: { info: () => undefined, warning: () => undefined, debug: () => undefined },
    },
    signal: AbortSignal.timeout(5_000),
    begunAt: begunAt ?? '2026-11-21T05:59:00.000Z',
    applied: false,
    proofOf: () => null,
  } as unknown as FlatRun<CloudNativePgSpec>
  return run
}
async function kept(of: Around) {
  const run = around(of)
  await keep?.apply?.(run)
  const progress = await keep?.done(run)
  return progress?.is === 'done' ? progress.proof : progress
}

describe('what is kept of a former primary before it is deleted', () => {
  test.each([
    '',
    'garbage',
    'null',
    '[]',
    '"kept"',
    '{"uid":"uid-pg-dc-a","uid":"of-another"}',
    '{"uid":"uid-pg-dc-a"',
  ])('a description that is none (%j) ends no rejoin: it is written anew', async (damaged) => {
    const bucket = new Map<string, string>()
    const names = [segment(7), segment(8)]
    await kept({ names, bucket })
    const key = [...bucket.keys()].find((one) => one.endsWith('evidence.json')) ?? ''
    bucket.set(key, damaged)
    expect(await keep?.done(around({ names, bucket }))).toMatchObject({ is: 'pending' })
    expect(await kept({ names, bucket })).toMatchObject({ commits: 1, complete: true })
  })
  test('names what was committed there, with all of its WAL', async () => {
    // The last one is an old segment under a new name, made ready to be written.
    expect(await kept({ names: [segment(6), segment(7), segment(8), segment(9)] })).toMatchObject({
      forkedAt: '0/7000100',
      endedAt: '0/8000060',
      commits: 1,
      complete: true,
      missing: [],
      files: [segment(7), segment(8)],
    })
  })
  test('names each row by its table and its place there, in a file beside the counts', async () => {
    const bucket = new Map<string, string>()
    const names = [segment(7), segment(8)]
    expect(await kept({ names, bucket, printed: `${INSERT}\n${COMMIT}` })).toMatchObject({ rowsIn: 'rows.tsv' })
    expect([...bucket].find(([key]) => key.endsWith('/rows.tsv'))?.[1]).toBe(
      'table\tchange\tctid\ttransaction\tcommitted at\nusers\tinserted\t(0,1)\t745\t2026-11-21T03:19:50Z\n',
    )
    expect(await kept({ names, printed: COMMIT })).toMatchObject({ rowsIn: null })
  })
  test('counts nothing, instead of no commits, when the first segment after the fork is gone, and names it', async () => {
    expect(await kept({ names: [segment(8)], printed: '' })).toMatchObject({
      commits: null,
      tables: null,
      complete: false,
      missing: [segment(7)],
      meaning: expect.stringContaining(
        `could not be decoded here; the files hold what is left of it; ${segment(7)} is not on its volume`,
      ),
    })
  })
  test('is not complete when pg_waldump never began, or there is a hole after its beginning', async () => {
    const stderr = 'pg_waldump: error: could not find a valid record after 0/7000100'
    expect(await kept({ names: [segment(7), segment(8)], stderr, printed: '' })).toMatchObject({
      commits: null,
      complete: false,
    })
    expect(await kept({ names: [segment(7), segment(9)] })).toMatchObject({
      commits: 1,
      complete: false,
      missing: [segment(8)],
    })
    expect(await kept({ names: [segment(7)] })).toMatchObject({ commits: 1, complete: false, missing: [segment(8)] })
  })
  test('is nothing, and says so, where the WAL of a killed primary is whole up to the fork, and ends there', async () => {
    const stderr = 'pg_waldump: error: could not find a valid record after 0/7000100'
    const killed = {
      names: [segment(6), segment(7)],
      state: 'in production',
      checkpoint: '0/6000060',
      printed: '',
      stderr,
    }
    expect(await kept(killed)).toMatchObject({
      bytes: 0,
      commits: 0,
      tables: [],
      complete: true,
      meaning: 'its WAL ends where the histories parted: nothing was committed on this site only',
      found: { bytes: [0, 0], rows: [0, 0], commits: [0, 0] },
    })
    // The segment of the fork was never begun.
    expect(await kept({ ...killed, names: [segment(6)] })).toMatchObject({ commits: 0, complete: true, missing: [] })
    const unknown = { commits: null, complete: false, bytes: null }
    expect(await kept({ ...killed, whole: false })).toMatchObject(unknown)
    expect(await kept({ ...killed, checkpoint: '0/7000200' })).toMatchObject(unknown)
    expect(await kept({ ...killed, names: [segment(6), segment(8)] })).toMatchObject({
      ...unknown,
      missing: [segment(7)],
    })
  })
  test('has an open end after a crash', async () => {
    expect(await kept({ names: [segment(7)], state: 'in production' })).toMatchObject({
      state: 'in production',
      endedAt: null,
      bytes: null,
    })
  })
  test('is reported beside the loss of the failover: exact in bytes, with an open end where not all was read', async () => {
    const found = async (of: Partial<Around>) =>
      ((await kept({ names: [segment(7), segment(8)], ...of })) as { found: object }).found
    expect(await found({ printed: `${INSERT}\n${INSERT}\n${COMMIT}` })).toEqual({
      bytes: [0xff_ff60, 0xff_ff60],
      rows: [2, 2],
      commits: [1, 1],
      tables: [{ table: 'users', inserted: 2, updated: 0, deleted: 0 }],
      firstCommitAt: '2026-11-21T03:19:50Z',
      lastCommitAt: '2026-11-21T03:19:50Z',
      why: expect.stringMatching(
        /a row that was changed twice counts twice; kept in .*evidence\/pg-dc-a-g1\/uid-pg-dc-a\//,
      ),
    })
    expect(await found({ names: [segment(7)], printed: `${INSERT}\n${COMMIT}` })).toMatchObject({
      bytes: [0xff_ff60, 0xff_ff60],
      rows: [1, null],
      commits: [1, null],
    })
    expect(await found({ names: [segment(8)], printed: '' })).toMatchObject({
      rows: [0, null],
      commits: [0, null],
      tables: [],
    })
    // After a crash no control file says where it ends: at least after the commit at 0/7000150.
    expect(await found({ state: 'in production' })).toMatchObject({
      bytes: [0x50, null],
      rows: [0, 0],
      commits: [1, 1],
    })
    expect(await found({ state: 'in production', printed: '' })).toMatchObject({ bytes: [0, null], commits: [0, 0] })
  })
  test('is kept again for another cluster of the same name, and for one that has written since', async () => {
    const bucket = new Map<string, string>()
    await kept({ names: [segment(7)], bucket })
    const again = (more: Partial<Around>) => keep?.done(around({ names: [segment(7)], bucket, ...more }))
    expect(await again({})).toMatchObject({ is: 'done', proof: { uid: 'uid-pg-dc-a' } })
    expect(await again({ uid: 'of-the-new-one' })).toMatchObject({ is: 'pending' })
    expect(await again({ begunAt: '2026-11-22T05:59:00.000Z' })).toMatchObject({ is: 'pending' })
    await expect(kept({ names: [segment(7)], bucket, uid: 'of-the-new-one' })).rejects.toMatchObject({
      code: 'another-database',
    })
  })
})
