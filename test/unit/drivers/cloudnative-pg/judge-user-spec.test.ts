import { describe, expect, test } from '@jest/globals'
import { fieldProblems } from '../../../../src/drivers/cloudnative-pg/deploy/judge-user-spec.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

function problems(userSpec: JsonObject, spec: Partial<CloudNativePgSpec> = {}): string[] {
  const database = theDatabase(spec)
  return fieldProblems(database, databaseStack(database), userSpec).map(({ field, why }) => `${field} ${why}`)
}

describe('of the cluster file', () => {
  test('what comes into force is taken without a word', () => {
    const sound = {
      instances: 3,
      primaryUpdateMethod: 'switchover',
      enableSuperuserAccess: true,
      storage: { size: '50Gi' },
      bootstrap: { initdb: { dataChecksums: false, localeProvider: 'icu', walSegmentSize: 64 } },
      plugins: [{ name: 'mine.example.com', enabled: true }],
      externalClusters: [{ name: 'reports', connectionParameters: { host: 'reports' } }],
      managed: { roles: [{ name: 'reader', ensure: 'present' }] },
      certificates: { serverAltDNSNames: ['db.example.com'] },
      backup: { target: 'primary' },
    }
    expect(problems(sound)).toEqual([])
    expect(problems({ certificates: { serverCASecret: 'mine' } }, { follow: 'archive' })).toEqual([])
  })

  test.each<[string, JsonObject, RegExp]>([
    [
      'a bootstrap from a backup',
      { bootstrap: { recovery: { source: 'old' } } },
      /^bootstrap.recovery .*docs\/adopting.md/,
    ],
    [
      'a bootstrap from another server',
      { bootstrap: { pg_basebackup: { source: 'old' } } },
      /^bootstrap.pg_basebackup .*docs\/adopting.md/,
    ],
    [
      'another first database',
      { bootstrap: { initdb: { database: 'other' } } },
      /^bootstrap.initdb.database .*declare database/,
    ],
    ['a role of its own', { replica: { primary: 'pg-x' } }, /^replica.primary .*moves decide/],
    ['a delay', { replica: { minApplyDelay: '1h' } }, /^replica.minApplyDelay/],
    [
      'an external cluster of our name',
      { externalClusters: [{ name: 'pg-dc-b' }] },
      /^externalClusters\[pg-dc-b\] .*another name/,
    ],
    [
      'our plugin with another archive',
      { plugins: [{ name: 'barman-cloud.cloudnative-pg.io' }] },
      /^plugins\[barman-cloud.*declare archive/,
    ],
    [
      'another archiver',
      { plugins: [{ name: 'mine', isWALArchiver: true }] },
      /^plugins\[mine\] would be a second archiver/,
    ],
    [
      'an archive of its own',
      { backup: { barmanObjectStore: { destinationPath: 's3://x/' } } },
      /^backup.barmanObjectStore /,
    ],
    ['no superuser', { enableSuperuserAccess: false }, /^enableSuperuserAccess .*secrets.superuser/],
    ['another superuser', { superuserSecret: { name: 'mine' } }, /^superuserSecret.name /],
    [
      'WAL segments of no PostgreSQL',
      { bootstrap: { initdb: { walSegmentSize: 48 } } },
      /^bootstrap.initdb.walSegmentSize is 48/,
    ],
    [
      'certificates of its own',
      { certificates: { serverCASecret: 'mine' } },
      /^certificates.serverCASecret .*follow: archive/,
    ],
    [
      'a service of our name',
      { managed: { services: { additional: [{ serviceTemplate: { metadata: { name: 'pg-dc-a-streaming' } } }] } } },
      /^managed.services.additional\[pg-dc-a-streaming\] /,
    ],
  ])('%s is refused, with the field and the way to it', (_, userSpec, text) => {
    expect(problems(userSpec)).toEqual([expect.stringMatching(text)])
  })

  test('the in-tree archive with another retention is refused', () => {
    const archive = { method: 'in-tree', store: 'archive' } as const
    expect(problems({ backup: { retentionPolicy: '7d' } }, { archive })).toEqual([
      expect.stringMatching(/^backup.retentionPolicy .*declare retention/),
    ])
  })
})
