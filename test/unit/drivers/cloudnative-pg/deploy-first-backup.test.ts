import { expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { ObjectStoreClient } from '../../../../src/clients/object-store-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DeployUnit } from '../../../../src/driver/deployment.ts'
import type { BackupObject } from '../../../../src/drivers/cloudnative-pg/backup/completed-backups.ts'
import { firstBackupUnit } from '../../../../src/drivers/cloudnative-pg/deploy/deploy-first-backup.ts'
import type { Place } from '../../../../src/drivers/cloudnative-pg/deploy/place.ts'
import { backup, cluster } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'

const database = theDatabase()
const { signal } = new AbortController()

/**
 * A site with some backups, on which every backup that is made succeeds. The archive has one as soon as there is an own
 * one.
 */
function siteWith(...backups: BackupObject[]): { readonly unit: DeployUnit; readonly names: () => string[] } {
  const live = cluster('pg-dc-a')
  const kept = new Map(backups.map((one) => [one.metadata.name, one]))
  const archived = backups.some(({ metadata }) => metadata.name !== OF_ANOTHER_ARCHIVE)
  const key = 'postgresql/pg-dc-a-g1/base/20261121T021500/backup.info'
  const archive: Partial<ObjectStoreClient> = {
    list: async () => (archived || kept.size > backups.length ? [{ key, bytes: 1, version: '', modified: '' }] : []),
    get: async () => ({ body: 'status=DONE', version: '' }),
  }
  const kubernetes: Partial<KubernetesClient> = {
    get: async () => live,
    list: async () => [...kept.values()],
    async create(made: KubernetesObject) {
      kept.set(made.metadata.name, { ...backup('completed'), metadata: made.metadata })
      return made
    },
    remove: async ({ name }) => kept.delete(name),
  }
  const context = {
    stack: databaseStack(database),
    platform: () => kubernetes,
    objectStore: () => ({ open: async () => archive }),
  }
  return {
    unit: firstBackupUnit({ component: database, site: 'dc-a' as SiteName, context } as unknown as Place),
    names: () => [...kept.keys()],
  }
}
const OF_ANOTHER_ARCHIVE = 'before-the-adoption'
const former = { pluginMetadata: { clusterUID: 'uid-of-the-former' } }
const named = (name: string, one: BackupObject): BackupObject => ({ ...one, metadata: { name } })

test('a cluster with a backup in its own archive gets no other', async () => {
  expect(await siteWith(named('nightly', backup('completed'))).unit.diff(signal)).toEqual([])
})

test.each([
  ['no backup', []],
  ['only one of a former incarnation', [named('pg-dc-a-first', backup('completed', undefined, former))]],
  ['only one that failed', [named('pg-dc-a-g1-first', backup('failed'))]],
  ['only one that lies in the archive of before its adoption', [named(OF_ANOTHER_ARCHIVE, backup('completed'))]],
  [
    'one of its own name that is of a cluster which is gone',
    [named('pg-dc-a-g1-first', backup('completed', undefined, former))],
  ],
])('a cluster with %s gets one that is its own', async (_, backups) => {
  const { unit, names } = siteWith(...backups)
  expect(await unit.diff(signal)).toEqual([
    { kind: 'create', object: `${database.spec.namespace}/Backup/pg-dc-a-g1-first` },
  ])
  expect(await unit.ready(signal)).not.toMatchObject({ is: 'done' })
  await unit.apply(signal)
  expect(names()).toContain('pg-dc-a-g1-first')
  expect(await unit.ready(signal)).toEqual({ is: 'done', proof: { backup: 'pg-dc-a-g1-first' } })
  expect(await unit.diff(signal)).toEqual([])
})
