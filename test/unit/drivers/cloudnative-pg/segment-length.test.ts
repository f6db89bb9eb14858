import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { KubernetesClient, ProxyTarget } from '../../../../src/clients/kubernetes-client.ts'
import {
  measureSegments,
  segmentBytesIn,
  segmentBytesOf,
} from '../../../../src/drivers/cloudnative-pg/segment-length.ts'
import { onceByKey } from '../../../../src/runtime/once.ts'
import {
  formatLsn,
  parseLsn,
  parseSegment,
  segmentBytesNamed,
  segmentName,
  startOfSegment,
} from '../../../../src/systems/postgres/wal.ts'
import { type Postgres, startPostgres } from '../../../support/postgres.ts'
import { cluster, MB16, primary, replica, segmentsOf } from './cluster-states.ts'

describe.each([1, 16, 64, 1024])('a real PostgreSQL with segments of %i MB', (megabytes) => {
  const segments = segmentsOf(megabytes)
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres({}, [`--wal-segsize=${megabytes}`])
  }, 120_000)
  afterAll(() => postgres.stop())

  test('names the files of its positions as they are computed here, and they show its length or leave it open', async () => {
    const some = fc.sample(fc.bigInt({ min: 1n, max: (1n << 52n) - 1n }), { numRuns: 300, seed: 16 })
    // The last and the first bytes of segments and of log files; at an exact boundary PostgreSQL before 17 names the
    // segment that ends there.
    const edges = [1n, 2n, 3n, 4n, 4096n].flatMap((count) => [
      count * BigInt(segments) - 1n,
      count * BigInt(segments) + 1n,
    ])
    const positions = [...some.filter((at) => at % BigInt(segments) !== 0n), ...edges]
    const list = positions.map((at) => `('${formatLsn(at)}'::pg_lsn)`).join(', ')
    const answer = await postgres.sql(
      `SELECT file_name, (at - file_offset)::pg_lsn FROM (VALUES ${list}) AS asked(at), LATERAL pg_walfile_name_offset(at)`,
    )
    const rows = answer.split('\n').map((row) => row.split('|'))
    expect(rows).toHaveLength(positions.length)
    for (const [index, [name = '', start = '']] of rows.entries()) {
      const at = positions[index] ?? 0n
      expect(segmentName(1, at, segments)).toBe(name)
      expect(parseSegment(name, segments)?.start).toBe(parseLsn(start))
      expect(startOfSegment(at, segments)).toBe(parseLsn(start))
      expect([segments, null]).toContain(segmentBytesNamed(name, at))
    }
  })

  test('says its length in the words that the first step of a move asks in', async () => {
    expect(await postgres.sql("SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'")).toBe(String(segments))
  })
})

/** As an instance of CloudNativePG 1.30 prints them. */
const metrics = (
  files: number,
  bytes: string,
): string => `# HELP cnpg_collector_pg_wal Total size in bytes of WAL segments in the '/var/lib/postgresql/data/pgdata/pg_wal' directory
# TYPE cnpg_collector_pg_wal gauge
cnpg_collector_pg_wal{value="count"} ${files}
cnpg_collector_pg_wal{value="keep"} 32
cnpg_collector_pg_wal{value="size"} ${bytes}
cnpg_collector_pg_wal{value="slots_max"} NaN
`

describe('the metrics of an instance', () => {
  test.each([
    [1, '1.6777216e+07', MB16],
    [7, '4.69762048e+08', segmentsOf(64)],
    [3, '3.221225472e+09', segmentsOf(1024)],
  ])('that count %i files in %s bytes say how long one is', (files, bytes, segments) => {
    expect(segmentBytesIn(metrics(files, bytes))).toBe(segments)
  })
  test.each([
    ['of a PostgreSQL that is down', '# nothing of pg_wal\n'],
    ['that could not count', metrics(0, '0')],
    ['that count while files come and go', metrics(3, '3.3554432e+07')],
    ['that are no metrics', '<html>login</html>'],
  ])('%s say nothing', (_, text) => expect(segmentBytesIn(text)).toBeNull())

  const asking = (answer: (target: ProxyTarget) => { readonly status: number; readonly body: string }) => {
    const asked: ProxyTarget[] = []
    const kubernetes = {
      proxyGet: async (target: ProxyTarget) => {
        asked.push(target)
        return answer(target)
      },
    } as unknown as KubernetesClient
    const once = onceByKey()
    const ask = (of = cluster('pg-dc-b')) =>
      measureSegments(kubernetes, of, 'pg-dc-b-1', { once, signal: AbortSignal.timeout(5_000) }, 1_000)
    return { asked, ask }
  }
  test('are asked for once for each database: it keeps its segments for life', async () => {
    const { asked, ask } = asking(() => ({ status: 200, body: metrics(7, '4.69762048e+08') }))
    expect([await ask(), await ask()]).toEqual([segmentsOf(64), segmentsOf(64)])
    expect(asked).toEqual([expect.objectContaining({ scheme: 'http', port: 9187, path: '/metrics' })])
  })
  test('are asked for with TLS where the cluster serves them so', async () => {
    const { asked, ask } = asking(() => ({ status: 200, body: metrics(7, '4.69762048e+08') }))
    await ask(cluster('pg-dc-b', { monitoring: { tls: { enabled: true } } }))
    expect(asked).toEqual([expect.objectContaining({ scheme: 'https' })])
  })
  test('that do not answer say nothing, and are asked again', async () => {
    let silent = true
    const { ask } = asking(() => {
      if (silent) throw new Error('no answer')
      return { status: 200, body: metrics(7, '4.69762048e+08') }
    })
    expect(await ask()).toBeNull()
    silent = false
    expect(await ask()).toBe(segmentsOf(64))
  })
})

describe('how long the segments of a cluster are', () => {
  const begun = (initdb?: object) =>
    cluster('pg-dc-a', { bootstrap: initdb === undefined ? { recovery: { source: 'pg-dc-b' } } : { initdb } })
  const at9 = { ...primary, currentLsn: '0/90000028' }
  test('is its own word, whatever its specification says', () => {
    expect(segmentBytesOf(begun({ walSegmentSize: 16 }), at9, segmentsOf(64))).toBe(segmentsOf(64))
    expect(
      segmentBytesOf(begun({ walSegmentSize: 16 }), { ...at9, currentWAL: '000000030000000000000024' }, null),
    ).toBe(segmentsOf(64))
  })
  test('is what it was begun with, where it says nothing', () => {
    expect(segmentBytesOf(begun({ walSegmentSize: 64 }), replica, null)).toBe(segmentsOf(64))
    expect(segmentBytesOf(begun({}), replica, null)).toBe(MB16)
  })
  test('is unknown of a copy that says nothing: it has what it was copied from', () => {
    expect(segmentBytesOf(begun(), replica, null)).toBeNull()
    expect(segmentBytesOf(begun(), { ...at9, currentWAL: '000000030000000000000001' }, null)).toBeNull()
  })
})
