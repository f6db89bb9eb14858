import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { CloudNativePgSpec, Database } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { hours, minutes } from '../../../../src/values/duration.ts'

/** A database on two sites, as the published stacks declare it. */
export function theDatabase(more: Partial<CloudNativePgSpec> = {}): Database {
  return {
    name: 'database',
    driver: 'cloudnative-pg',
    needs: ['archive'],
    spec: {
      namespace: 'infisical',
      database: 'infisical',
      owner: 'infisical',
      archive: { store: 'archive', prefix: 'postgresql' },
      follow: 'archive-and-streaming',
      schedule: '0 15 2 * * *',
      retention: '30d',
      secrets: { superuser: 'pg-superuser', owner: 'pg-infisical' },
      manifest: { tables: ['users', 'secrets'] },
      sites: {
        'dc-a': { name: 'pg-dc-a', streaming: { host: '192.0.2.11', nodePort: 30432 } },
        'dc-b': { name: 'pg-dc-b', streaming: { host: '192.0.2.12', nodePort: 30432 } },
      },
      ...more,
    } as CloudNativePgSpec,
  }
}

export function databaseStack(database: Database = theDatabase()): Stack {
  const site = (name: string): Stack['sites'][number] => ({
    name: name as SiteName,
    platforms: { kubernetes: { kubeconfig: { env: 'KUBECONFIG' }, clusterId: `uid-${name}` } },
  })
  return {
    name: 'infisical',
    sites: [site('dc-a'), site('dc-b')],
    initialActive: 'dc-a' as SiteName,
    witness: { driver: 's3', spec: {} },
    approval: { expiry: hours(2) },
    fencing: { switchover: 'database', failover: 'traffic' },
    objectives: { backupAge: hours(26), restoreTime: minutes(30) },
    components: [
      { name: 'archive', driver: 's3', needs: [], spec: {} },
      database as unknown as Stack['components'][number],
    ],
    source: { path: 'standby.yaml', directory: '.', digest: '' },
  }
}
