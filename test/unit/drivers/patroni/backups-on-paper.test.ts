import { describe, expect, test } from '@jest/globals'
import type { ObjectStoreLocation } from '../../../../src/clients/object-store-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { findingsOfArchive } from '../../../../src/drivers/patroni/backup/assess-archive.ts'
import { backupProblems, backupsOf } from '../../../../src/drivers/patroni/backup/declared.ts'
import { judgeHistory, judgeNewest, judgeSegments } from '../../../../src/drivers/patroni/backup/judge-backup.ts'
import type { ArchiveView } from '../../../../src/drivers/patroni/backup/observe-archive.ts'
import { archivedIn, filesIn, type Stanza, stanzaIn } from '../../../../src/drivers/patroni/backup/repository.ts'
import type { Database } from '../../../../src/drivers/patroni/spec.ts'
import { clusterOf, patroniFixture } from '../../../conformance/fixtures/patroni.ts'

const { stack } = patroniFixture
const component = patroniFixture.component as unknown as Database

/** As pgBackRest 2.45 of Debian 12 wrote it. */
const INFO = `[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"000000010000000000000002","min":"000000010000000000000001"}],"backup":[{"annotation":{"standby":"x"},"archive":{"start":"000000010000000000000002","stop":"000000010000000000000002"},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,"info":{"delta":30787570,"repository":{"delta":6104592,"size":6104592},"size":30787570},"label":"20261130-121313F","lsn":{"start":"0/2000028","stop":"0/2000408"},"prior":null,"reference":null,"timestamp":{"start":1796040793,"stop":1796040796},"type":"full"}],"cipher":"aes-256-cbc","db":[{"id":1,"repo-key":1,"system-id":7713936444970172551,"version":"15"}],"name":"dc-a-g1","repo":[{"cipher":"aes-256-cbc","key":1,"status":{"code":0,"message":"ok"}}],"status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}]`
const ailing = (code: number, message: string): string =>
  JSON.stringify([
    {
      archive: [],
      backup: [],
      db: [],
      name: 'dc-a-g1',
      repo: [{ key: 1, status: { code, message } }],
      status: { code },
    },
  ])

describe('what pgBackRest says of a stanza', () => {
  test('is read with all digits of the system identifier', () => {
    const [backup] = stanzaIn(INFO, 'dc-a-g1').backups
    expect(stanzaIn(INFO, 'dc-a-g1')).toMatchObject({
      is: 'read',
      systemId: '7713936444970172551',
      newestWal: '000000010000000000000002',
    })
    expect(backup).toMatchObject({
      label: '20261130-121313F',
      archive: '15-1',
      version: '15',
      beginWal: '000000010000000000000002',
      endedAt: '2026-11-30T12:13:16.000Z',
      hasDamage: false,
      annotations: { standby: 'x' },
    })
  })

  test('tells a stanza that is missing, a store that is not reached, and one that refuses apart', () => {
    expect(stanzaIn(ailing(1, 'missing stanza path'), 'dc-a-g1').is).toBe('missing')
    expect(stanzaIn('[]', 'dc-a-g1').is).toBe('missing')
    expect(stanzaIn(ailing(2, 'no valid backups'), 'dc-a-g1')).toMatchObject({ is: 'read', backups: [] })
    const refused = "[HostConnectError] unable to connect to 's3.standby.test:1': [111] Connection refused"
    expect(stanzaIn(ailing(99, refused), 'dc-a-g1').is).toBe('unreachable')
    const undeciphered = `[{"name":"dc-a-g1","repo":[{"status":{"code":99,"message":"[FormatError] unable to load info file\\nFormatError: U\u0001\ufffd"}}]}]`
    expect(stanzaIn(undeciphered, 'dc-a-g1')).toMatchObject({
      is: 'unreadable',
      said: '[FormatError] unable to load info file',
    })
    const forbidden = '[ProtocolError] HTTP request failed with 403 (Forbidden):\n*** Request Headers ***:\nhost: s3'
    expect(stanzaIn(ailing(99, forbidden), 'dc-a-g1')).toMatchObject({
      is: 'unreadable',
      said: '[ProtocolError] HTTP request failed with 403 (Forbidden):',
    })
  })

  test('names segments with their checksums, and histories', () => {
    const listed =
      filesIn(`{".":{"type":"path"},"15-1/0000000100000000/000000010000000000000001-4dff382ea17288ef35a82bd47cf9d08a2f207710.lz4":{"type":"file","size":3755072,"time":1796040793},
"15-1/0000000100000000/000000010000000000000002.00000028.backup":{"type":"file","size":400},"15-1/00000002.history":{"type":"file","size":40},
"15-2/0000000100000000/000000010000000000000009-4dff382ea17288ef35a82bd47cf9d08a2f207710":{"type":"file","size":1},"archive.info":{"type":"file","size":368}}`)
    expect(archivedIn(listed, '15-1')).toEqual([
      { name: '000000010000000000000001', sha1: '4dff382ea17288ef35a82bd47cf9d08a2f207710' },
      { name: '00000002.history', sha1: null },
    ])
  })
})

describe('the archive of a site by Patroni', () => {
  const state = clusterOf('dc-a', null)
  const seen = (more: Partial<Stanza>, failing: string | null = null): ArchiveView => {
    if (state.archive?.is !== 'seen') throw new Error('the archive of the fixture is seen')
    return { ...state.archive, failing, holds: { ...state.archive.holds, ...more } }
  }
  const found = (
    archive: ArchiveView,
    site: 'dc-a' | 'dc-b' = 'dc-a',
    purpose: 'status' | 'switchover' = 'switchover',
  ) =>
    findingsOfArchive(component, site, { ...clusterOf(site, site === 'dc-a' ? null : 'dc-a'), archive }, purpose, {
      now: '2026-11-21T06:00:00Z',
      objectives: stack.objectives,
      activeSite: 'dc-a' as SiteName,
      timeline: 4,
    }).map(({ code, severity }) => `${code} ${severity}`)

  test('that is well says nothing', () => {
    expect(found(seen({}))).toEqual([])
    expect(found(seen({}), 'dc-b')).toEqual([])
  })

  test('blocks a switchover while WAL cannot be archived, or the stanza is missing or of another database', () => {
    expect(found(seen({}, '000000040000000000000005'))).toEqual(['archiving-failing blocker'])
    expect(found(seen({}, '000000040000000000000005'), 'dc-a', 'status')).toEqual(['archiving-failing warning'])
    expect(found(seen({ is: 'missing', systemId: null }), 'dc-b')).toEqual(['patroni-stanza-missing blocker'])
    expect(found(seen({ systemId: '7000000000000000001' }), 'dc-b')).toEqual(['patroni-stanza-missing blocker'])
  })

  test('of a passive site must not hold the timeline of the active one: a former history left it there', () => {
    expect(found(seen({ newestWal: '000000040000000000000006' }), 'dc-b')).toEqual(['archive-forked blocker'])
    expect(found(seen({ newestWal: '000000040000000000000006' }), 'dc-a')).toEqual([])
    expect(found(seen({ newestWal: '000000050000000000000006' }), 'dc-a')).toEqual(['archive-forked blocker'])
  })

  test('that is not seen, that has no backup, or an old one, only warns', () => {
    expect(found({ is: 'silent', stanza: 'dc-a-g1', why: 'late' })).toEqual(['patroni-archive-silent warning'])
    expect(found(seen({ is: 'unreadable', said: '403' }))).toEqual(['patroni-archive-silent warning'])
    expect(found(seen({ backups: [] }))).toEqual(['no-backup warning'])
    const old = stanzaIn(INFO.replaceAll('17960407', '17560407'), 'dc-a-g1').backups
    expect(found(seen({ backups: old }))).toEqual(['backup-old warning'])
    // A passive site takes none.
    expect(found(seen({ backups: [] }), 'dc-b')).toEqual([])
  })
})

describe('the history of a restored copy', () => {
  const fork = (timeline: number, at: string) => ({ timeline, at })
  const served = { timeline: 3, forks: [fork(1, '0/3000000'), fork(2, '0/4000000')] }
  const outcome = (...parameters: Parameters<typeof judgeHistory> extends [unknown, ...infer Rest] ? Rest : never) =>
    judgeHistory(component, ...parameters).outcome

  test('is the one that is served, or a beginning of it', () => {
    expect(outcome([...served.forks, fork(3, '0/9000000')], served, null)).toBe('pass')
    expect(outcome([fork(1, '0/3000000'), fork(2, '0/3F00000')], served, null)).toBe('pass')
  })

  test('is another one where it left a timeline elsewhere, went beyond a fork, or has a timeline of its own', () => {
    expect(outcome([fork(1, '0/3000100'), fork(2, '0/3F00000')], served, null)).toBe('fail')
    expect(outcome([fork(1, '0/3000000'), fork(2, '0/4000028')], served, null)).toBe('fail')
    expect(outcome([...served.forks, fork(3, '0/5000000'), fork(4, '0/6000000')], served, null)).toBe('fail')
  })

  test('is known by the manifest alone where the source is silent', () => {
    expect(outcome([fork(1, '0/3000000'), fork(2, '0/4000000')], null, { timeline: 2 })).toBe('pass')
    expect(outcome([fork(1, '0/3000000')], null, { timeline: 2 })).toBe('fail')
    expect(outcome([...served.forks, fork(3, '0/5000000')], null, { timeline: 2 })).toBe('inconclusive')
    expect(outcome([fork(1, '0/3000000')], null, null)).toBe('inconclusive')
  })
})

describe('the files of a backup', () => {
  test('are judged by their checksums, and one that is not to be had fails', () => {
    const wanted = [
      { name: '000000010000000000000001', sha1: 'a'.repeat(40) },
      { name: '00000002.history', sha1: null },
    ]
    const all = new Map([
      ['000000010000000000000001', 'a'.repeat(40)],
      ['00000002.history', 'b'.repeat(40)],
    ])
    expect(judgeSegments(component, wanted, all).outcome).toBe('pass')
    expect(judgeSegments(component, wanted, new Map([...all, ['000000010000000000000001', 'c']])).outcome).toBe('fail')
    expect(judgeSegments(component, wanted, new Map([...all].slice(0, 1)))).toMatchObject({
      outcome: 'fail',
      found: '00000002.history (not to be had)',
    })
  })

  test('are those of the newest manifest, or newer ones', () => {
    const stanza = stanzaIn(INFO, 'dc-a-g1')
    const manifest = (backupId: string) => ({ backupId }) as unknown as NonNullable<Parameters<typeof judgeNewest>[2]>
    expect(judgeNewest(component, stanza, manifest('20261130-121313F'))[0]?.outcome).toBe('pass')
    expect(judgeNewest(component, stanza, manifest('20261129-121313F'))[0]?.outcome).toBe('pass')
    expect(judgeNewest(component, stanza, manifest('20261130-121313F_20261130-180000I'))[0]?.outcome).toBe('fail')
    expect(judgeNewest(component, stanza, manifest('20261201-000000F'))[0]?.outcome).toBe('fail')
  })
})

describe('declared backups', () => {
  const location = (more: Partial<ObjectStoreLocation>): ObjectStoreLocation => {
    const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
    const place = { endpoint: 'https://s3.example.com', region: 'r', bucket: 'b', prefix: '' }
    return { ...place, credentials: keys, readCredentials: keys, ...more }
  }
  const problems = (spec: Partial<ReturnType<typeof backupsOf>>, at: ObjectStoreLocation | null = location({})) =>
    backupProblems(
      { ...component, spec: { ...component.spec, backups: { ...backupsOf(component), ...spec } } },
      stack,
      () => at,
    ).flatMap(({ path, severity }) => (severity === 'warning' ? [] : [path.join('.')]))

  test('need a store with TLS and keys, and no two sites share a stanza', () => {
    expect(problems({})).toEqual([])
    expect(problems({ stanzas: { 'dc-a': 'app', 'dc-b': 'app' } })).toEqual(['backups.stanzas.dc-b'])
    expect(problems({}, null)).toEqual(['backups.store', 'backups.store'])
    expect(problems({}, location({ endpoint: 'http://10.0.0.1:9000' }))).toEqual(['backups.store', 'backups.store'])
    expect(problems({}, location({ readCredentials: { login: 'aws' } }))).toEqual(['backups.store', 'backups.store'])
  })
})
