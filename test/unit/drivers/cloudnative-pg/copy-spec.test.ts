import { expect, test } from '@jest/globals'
import { copiedSpec, LEFT_OUT, neededBy } from '../../../../src/drivers/cloudnative-pg/backup/copy-spec.ts'

const live = {
  instances: 3,
  imageCatalogRef: { apiGroup: 'postgresql.cnpg.io', kind: 'ImageCatalog', name: 'ours', major: 16 },
  imagePullSecrets: [{ name: 'registry' }],
  affinity: { tolerations: [{ key: 'database' }], nodeSelector: { disk: 'fast' } },
  topologySpreadConstraints: [{ maxSkew: 1 }],
  env: [
    { name: 'A', valueFrom: { secretKeyRef: { name: 'vault', key: 'a' } } },
    { name: 'B', valueFrom: { configMapKeyRef: { name: 'maybe', key: 'b', optional: true } } },
    { name: 'C', value: 'plain' },
  ],
  envFrom: [{ configMapRef: { name: 'settings' } }],
  projectedVolumeTemplate: { sources: [{ secret: { name: 'keytab' } }] },
  serviceAccountTemplate: { metadata: { annotations: { role: 'reader' } } },
  storage: { size: '50Gi' },
  postgresql: {
    parameters: { max_connections: '200' },
    shared_preload_libraries: ['pg_stat_statements'],
    extensions: [{ name: 'vector', image: { reference: 'vector:1' } }],
    synchronous: { number: 1 },
    pg_hba: ['host all all all ldap'],
  },
  bootstrap: { recovery: {} },
  replica: { primary: 'pg-dc-a' },
  plugins: [{ name: 'barman-cloud.cloudnative-pg.io', isWALArchiver: true }],
  backup: { barmanObjectStore: {} },
  externalClusters: [],
  managed: { roles: [] },
  certificates: {},
  aFieldOfANewerOperator: { on: true },
}

test('a restored copy keeps all that its pod needs, a field of a newer operator too', () => {
  const {
    instances: _,
    replica: _r,
    bootstrap: _b,
    plugins: _p,
    backup: _a,
    externalClusters: _e,
    managed: _m,
    certificates: _c,
    ...kept
  } = live
  const { synchronous: _s, pg_hba: _h, ...postgresql } = live.postgresql
  expect(copiedSpec(live)).toEqual({ ...kept, postgresql })
})

test('a restored copy has nothing with which it could reach the archive, the peers or the users of the original', () => {
  const kept = Object.keys(copiedSpec(live))
  for (const field of [
    'replica',
    'bootstrap',
    'plugins',
    'backup',
    'externalClusters',
    'managed',
    'certificates',
    'superuserSecret',
  ]) {
    expect(LEFT_OUT).toContain(field)
    expect(kept).not.toContain(field)
  }
})

test('the Secrets, ConfigMaps and the catalog that its pod cannot start without are named, each once, and no optional one', () => {
  expect(neededBy(copiedSpec(live))).toEqual([
    { kind: 'Secret', name: 'registry' },
    { kind: 'ImageCatalog', name: 'ours' },
    { kind: 'Secret', name: 'vault' },
    { kind: 'ConfigMap', name: 'settings' },
    { kind: 'Secret', name: 'keytab' },
  ])
})
