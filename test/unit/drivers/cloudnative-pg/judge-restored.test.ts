import { describe, expect, test } from '@jest/globals'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { scratchCluster } from '../../../../src/drivers/cloudnative-pg/backup/restore-copy.ts'
import { tellingLines } from '../../../../src/drivers/cloudnative-pg/deploy/failed-bootstrap.ts'
import { type CataloguedBackup, parseBackupInfo } from '../../../../src/systems/postgres/barman-archive.ts'
import { countQuery, countsOf } from '../../../../src/systems/postgres/count-rows.ts'
import { type Expected, judgeCatalogue, judgeRestored } from '../../../../src/systems/postgres/judge-restored.ts'
import type { Manifest } from '../../../../src/systems/postgres/restore-manifest.ts'
import type { RestoredFacts } from '../../../../src/systems/postgres/restored-facts.ts'
import { verdictOf } from '../../../../src/verification/judge-restore.ts'
import { MB16, segmentsOf } from './cluster-states.ts'
import { theDatabase } from './database-stack.ts'

const manifest: Manifest = {
  schemaVersion: 1,
  takenAt: '2026-11-21T05:54:48Z',
  backupId: '20261121T055425',
  serverName: 'pg-dc-a-g1',
  lsn: '0/150000C8',
  timeline: 2,
  systemId: '77',
  serverVersion: '15.20',
  restorePoint: 'standby-1',
  segment: '000000020000000000000015',
  counts: { users: 50, secrets: 500, later: null },
  extensions: ['plpgsql 1.0'],
  bytes: 33_066_396,
}
const backup: CataloguedBackup = {
  id: '20261121T055425',
  beginWal: '000000020000000000000012',
  endWal: '000000020000000000000012',
  endedAt: '2026-11-21T05:54:30Z',
  bytes: 33_066_396,
  systemId: '77',
  segmentBytes: MB16,
}
const wal = ['12', '13', '14', '15'].map((end) => `0000000200000000000000${end}`)
const expected: Expected = { manifest, backup, wal }
const facts: RestoredFacts = {
  inRecovery: false,
  systemId: '77',
  timeline: 3,
  recoveredTo: '0/16000000',
  counts: { users: 50, secrets: 500, later: 3 },
  extensions: ['plpgsql 1.0'],
  corruption: [],
}
const failing = (checks: readonly { readonly id: string; readonly outcome: string }[]): string[] =>
  checks.filter((check) => check.outcome !== 'pass').map((check) => `${check.outcome} ${check.id}`)
const bucket = (more: Partial<Expected> = {}): string[] =>
  failing(judgeCatalogue(theDatabase(), { ...expected, ...more }))
const restored = (more: Partial<RestoredFacts> = {}, against: Partial<Expected> = {}): string[] =>
  failing(judgeRestored(theDatabase(), { ...expected, ...against }, { ...facts, ...more }))

describe('a backup in its bucket', () => {
  test('that is whole passes', () => expect(bucket()).toEqual([]))
  test('with a hole in its WAL fails: it would restore "successfully", with rows missing', () => {
    expect(bucket({ wal: wal.filter((name) => !name.endsWith('13')) })).toEqual(['fail wal-complete'])
  })
  test('whose last WAL is gone fails, although no later segment shows the hole', () => {
    expect(bucket({ wal: wal.slice(0, -1) })).toEqual(['fail wal-complete'])
  })
  test('of a database with longer segments is judged by their length', () => {
    const long = { ...backup, beginWal: '00000002000000000000003E', segmentBytes: segmentsOf(64) }
    const names = ['00000002000000000000003E', '00000002000000000000003F', '000000020000000100000000']
    const of = (kept: readonly string[]) =>
      bucket({ backup: long, manifest: { ...manifest, segment: '000000020000000100000000' }, wal: kept })
    expect(of(names)).toEqual([])
    expect(of(names.filter((name) => !name.endsWith('3F')))).toEqual(['fail wal-complete'])
    // With 16 MB, 192 segments would be missing between the last two.
    expect(bucket({ backup: { ...long, segmentBytes: MB16 }, wal: names })).toEqual(['fail wal-complete'])
  })
  test('whose backup.info does not say how long segments are is inconclusive, never green', () => {
    expect(bucket({ backup: { ...backup, segmentBytes: null } })).toEqual(['inconclusive wal-complete'])
  })
  test('that was cut fails: barman goes on to call it DONE', () => {
    expect(bucket({ backup: { ...backup, bytes: 1_000 } })).toEqual(['fail backup-size'])
  })
  test('without a manifest is inconclusive, never green', () => {
    const checks = judgeCatalogue(theDatabase(), { ...expected, manifest: null })
    expect(failing(checks)).toEqual(['inconclusive manifest'])
    expect(verdictOf(checks)).toBe('inconclusive')
  })
})

describe('a restored copy', () => {
  test('that holds what the manifest says passes', () => expect(restored()).toEqual([]))
  test('that is empty fails: an application would start green on it', () => {
    expect(restored({ counts: { users: 0, secrets: 0, later: null } })).toEqual(['fail not-empty', 'fail row-counts'])
    expect(restored({ counts: { users: null, secrets: null, later: null } })).toEqual([
      'fail not-empty',
      'fail row-counts',
    ])
  })
  test('with fewer rows than were counted fails', () => {
    expect(restored({ counts: { users: 50, secrets: 499, later: 0 } })).toEqual(['fail row-counts'])
  })
  test('with more rows passes: they were written after the manifest', () => {
    expect(restored({ counts: { users: 51, secrets: 1_000, later: 9 } })).toEqual([])
  })
  test('whose recovery ended early fails, whatever it wrote itself since', () => {
    expect(restored({ recoveredTo: '0/15000000' })).toEqual(['fail reaches-end'])
    expect(restored({ recoveredTo: '' })).toEqual(['fail reaches-end'])
  })
  test('that did not replay the newest archived segment fails, also without a manifest', () => {
    const later = [...wal, '000000020000000000000016', '000000020000000000000017']
    expect(restored({}, { wal: later })).toEqual(['fail reaches-end'])
    expect(restored({}, { wal: later, manifest: null })).toEqual(['fail reaches-end'])
  })
  test('whose end nothing says is inconclusive: a check that demands nothing would pass on any data', () => {
    const nothing = { manifest: null, backup: { ...backup, segmentBytes: null } }
    expect(restored({}, nothing)).toEqual(['inconclusive reaches-end'])
  })
  test('of another database fails', () => expect(restored({ systemId: '78' })).toEqual(['fail same-database']))
  test('that is still in recovery, damaged, or lacks an extension fails', () => {
    expect(restored({ inRecovery: true })).toEqual(['fail accepts-writes'])
    expect(restored({ corruption: ['heap tuple missing'] })).toEqual(['fail undamaged'])
    expect(restored({ extensions: [] })).toEqual(['fail extensions'])
  })
  test('where amcheck is not installed is judged without it', () => {
    expect(
      judgeRestored(theDatabase(), expected, { ...facts, corruption: null }).map((check) => check.id),
    ).not.toContain('undamaged')
  })
})

test('the scratch cluster archives nowhere and follows no primary', () => {
  const like = {
    apiVersion: 'postgresql.cnpg.io/v1',
    kind: 'Cluster',
    metadata: { name: 'pg-dc-b' },
    spec: {
      instances: 3,
      imageName: 'postgresql:16',
      storage: { size: '20Gi' },
      replica: { primary: 'pg-dc-a' },
      plugins: [{ name: 'barman-cloud.cloudnative-pg.io' }],
      postgresql: { parameters: { max_connections: '500' }, synchronous: { method: 'any', number: 1 } },
      managed: { services: {} },
    },
  }
  const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } }
  const location = {
    endpoint: 'https://s3',
    region: 'us-east-1',
    bucket: 'b',
    prefix: '',
    credentials: keys,
    readCredentials: keys,
  }
  const { spec } = scratchCluster(theDatabase(), { site: 'dc-a' as SiteName, location, serverName: 'pg-dc-a-g1' }, like)
  for (const field of ['plugins', 'replica', 'backup', 'managed']) expect(spec).not.toHaveProperty(field)
  expect(spec).toMatchObject({
    instances: 1,
    imageName: 'postgresql:16',
    postgresql: { parameters: { max_connections: '500' } },
  })
  expect(spec).not.toHaveProperty('postgresql.synchronous')
})

test('backup.info is read as barman writes it', () => {
  expect(
    parseBackupInfo('backup_label=None\nbegin_wal=000000020000000000000012\nstatus=DONE\nconfig_file=/a=b\n'),
  ).toEqual({
    backup_label: 'None',
    begin_wal: '000000020000000000000012',
    status: 'DONE',
    config_file: '/a=b',
  })
})

test('counting quotes names, and a table that does not exist counts as none', () => {
  expect(countQuery(['audit.logs'])).toContain(`to_regclass('"audit"."logs"')`)
  expect(
    countsOf([
      ['count', 'users', '50'],
      ['count', 'later', ''],
      ['fact', 'x', '1'],
    ]),
  ).toEqual({ users: 50, later: null })
})

describe('the log of a failed recovery', () => {
  test('is reduced to the lines that name the cause', () => {
    const log = [
      '{"level":"info","msg":"Starting barman-cloud-restore"}',
      '{"level":"info","logger":"barman-cloud-restore","msg":"2026-11-21 ERROR: Barman cloud restore exception: unexpected end of data"}',
      '{"level":"info","record":{"error_severity":"LOG","message":"starting"}}',
      '{"level":"info","record":{"error_severity":"FATAL","message":"WAL ends before end of online backup"}}',
      '{"level":"error","msg":"Error while restoring a backup","error":"exit status 4"}',
      'not JSON at all',
    ].join('\n')
    const told = tellingLines(log)
    expect(told).toContain('unexpected end of data')
    expect(told).toContain('FATAL WAL ends before end of online backup')
    expect(told).toContain('exit status 4')
    expect(told).not.toContain('starting')
  })
  test('that names no cause shows its last lines', () => expect(tellingLines('a\nb')).toBe('a | b'))
  test('that is empty is no reason to crash', () => expect(tellingLines('')).toBe(''))
})
