import { expect, test } from '@jest/globals'
import { inventoryOf, secretsOf, totalsIn } from '../../../lab/machines/deployment.ts'
import type { MachinesEnvironment } from '../../../lab/machines/environment.ts'
import { type MachineName, machineRoles, siteNames } from '../../../lab/topology.ts'

const keys = (name: string) => ({ accessKeyId: name, secretAccessKey: `${name}-secret` })
const environment = {
  schemaVersion: 1,
  sites: siteNames.map((name) => ({
    name,
    machines: machineRoles.map((role) => ({
      name: `${name}-${role}` satisfies MachineName,
      role,
      address: `192.0.2.${name.charCodeAt(3)}`,
      machineId: '0'.repeat(32),
    })),
  })),
  login: { user: 'standby', privateKey: '/key', knownHosts: '/known' },
  s3: {
    endpoint: 'http://192.0.2.1:9000',
    region: 'us-east-1',
    root: keys('root'),
    accounts: Object.fromEntries(siteNames.map((site) => [`archive-${site}`, keys(`archive-${site}`)])),
    buckets: [],
    secure: { host: 's3', port: 9443, authority: '/authority.pem' },
  },
  loadBalancers: [],
} as unknown as MachinesEnvironment

test('the inventory of the machines has a group for each site, task and turn, and no secret', () => {
  const inventory = inventoryOf(environment, 'dc-b')
  expect(Object.keys(inventory.active.hosts)).toEqual(['dc-b-db1', 'dc-b-db2', 'dc-b-app'])
  expect(Object.keys(inventory.passive.hosts)).toHaveLength(6)
  expect(Object.keys(inventory.database.hosts)).not.toContain('dc-a-app')
  expect(Object.keys(inventory.store.hosts)).toHaveLength(9)
  expect(inventory).toHaveProperty('dc_c')
  for (const secret of Object.values(secretsOf(environment)).filter((value) => value.includes('secret')))
    expect(JSON.stringify(inventory)).not.toContain(secret)
})

test("each host's totals are read from the recap at the end, and from nothing before it", () => {
  const output = [
    'TASK [debug] ***',
    'ok: [dc-a-db1] => {"msg": "dc-a-db1 : ok=9 changed=9 unreachable=9 failed=9"}',
    'PLAY RECAP ***',
    'dc-a-db1                   : ok=26   changed=6    unreachable=0    failed=1    skipped=5    rescued=0    ignored=0',
    'dc-b-app                   : ok=3    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0',
  ].join('\n')
  expect(totalsIn(output)).toEqual({
    'dc-a-db1': { ok: 26, changed: 6, failures: 1, unreachable: 0 },
    'dc-b-app': { ok: 3, changed: 0, failures: 0, unreachable: 1 },
  })
})
