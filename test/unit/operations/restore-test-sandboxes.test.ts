import { expect, test } from '@jest/globals'
import type { Sandbox } from '../../../src/domain/restore-test.ts'
import type { Component, SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Driver, SiteDriver } from '../../../src/driver/capabilities.ts'
import type { DriverContext } from '../../../src/driver/context.ts'
import { observe } from '../../../src/observation/observe.ts'
import { verifyBackup } from '../../../src/operations/verify-backup.ts'
import { KUBERNETES } from '../../../src/platform/kubernetes/key.ts'
import { hours } from '../../../src/values/duration.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { deployedToy, toyDriver, toyStack, toyWorld } from '../../support/toy-stack.ts'

const backup = { id: 'b', takenAt: '2026-11-20T00:00:00Z', bytes: 1 }

/** Two sites of a cluster and of one host each; a database on the hosts, a cache on the cluster that needs it. */
async function worldOf(of: { readonly left?: string } = {}) {
  const { toy, store } = await deployedToy()
  const restored: { readonly component: string; readonly sandbox: Sandbox }[] = []
  const commands: string[] = []
  const testing = (standsOn: string): FlatDriver => ({
    ...toyDriver(toy),
    standsOn,
    restoreTest: async ({ name }: Component, _source, sandbox) => {
      restored.push({ component: name, sandbox })
      const check = { id: 'rows', component: name, outcome: 'pass', expected: '1', found: '1' } as const
      return { backup, checks: [check], restoreDuration: 1, endpoint: { kind: 'http', url: `http://${name}` } }
    },
  })
  const drivers = { onHosts: liftedDriver(testing('hosts')), onCluster: liftedDriver(testing('kubernetes')) }
  const sites = toyStack.sites.map((site) => ({
    ...site,
    platforms: {
      ...site.platforms,
      hosts: {
        ssh: { user: 'u', privateKey: { env: 'K' }, knownHosts: { env: 'H' } },
        machines: { db: { address: '10.0.0.1' } },
        sandbox: { machine: 'db', directory: '/var/lib/standby' },
      },
    },
  }))
  const stack: Stack = {
    ...toyStack,
    sites,
    objectives: { backupAge: hours(26), restoreTime: hours(1) },
    components: [
      { name: 'database', driver: 'onHosts', needs: [], spec: {} },
      { name: 'cache', driver: 'onCluster', needs: ['database'], spec: {} },
    ],
  }
  const world = toyWorld(toy, store)
  const kubernetes = (site: SiteName) => ({
    ...world.context.platform(KUBERNETES, site),
    site,
    get: async () => ({ metadata: { labels: { 'standby.dev/sandbox': 'true' } } }),
    list: async () => [],
    request: async (_method: string, path: string) =>
      path === '/apis' ? { groups: [] } : { groupVersion: 'v1', resources: [] },
  })
  const hosts = {
    machines: { db: {} },
    way: { roundTrip: null },
    identify: async () => ({ machineId: '1'.repeat(32), system: 'Linux' }),
    run: async (_machine: string, command: string) => {
      commands.push(command)
      return of.left === undefined ? { code: 0, stdout: '0\n', stderr: '' } : { code: 45, stdout: of.left, stderr: '' }
    },
  }
  const platform = ({ platform: name }: { readonly platform: string }, site: SiteName) =>
    name === KUBERNETES.platform ? kubernetes(site) : hosts
  const context = { ...world.context, stack, platform } as unknown as DriverContext
  const around = { ...world, stack, drivers, context, observe: () => observe(context, store, drivers) }
  return { world: around, restored, commands }
}

test('a restore test runs each component in the sandbox of the platform that it stands on, and empties both twice', async () => {
  const { world, restored, commands } = await worldOf()
  const outcome = await verifyBackup(world, {})
  expect(restored.map(({ component, sandbox }) => [component, sandbox.site, sandbox.labels])).toEqual([
    ['database', 'dc-b', { stack: 'toy', test: outcome.id.toLowerCase() }],
    [
      'cache',
      'dc-b',
      {
        'app.kubernetes.io/managed-by': 'standby',
        'standby.dev/stack': 'toy',
        'standby.dev/restore-test': outcome.id.toLowerCase(),
      },
    ],
  ])
  // As data: whether a program of one sandbox reaches a copy in another one is judged when the stack file is loaded.
  expect(restored[1]?.sandbox.endpointOf('database')).toEqual({ kind: 'http', url: 'http://database' })
  expect(commands).toHaveLength(2)
  // By the name of the test: the sandbox of another one is not emptied.
  for (const command of commands) expect(command).toContain(`[ "$now" != ${outcome.id} ]`)
  expect(outcome).toMatchObject({
    verdict: 'restorable',
    sandbox: { site: 'dc-b', namespace: 'standby-restore-toy', removed: true },
  })
})

test('a restore test restores nothing while a sandbox of one platform cannot be emptied', async () => {
  const { world, restored } = await worldOf({ left: '/var/lib/standby/standby-restore-toy/base\n' })
  await expect(verifyBackup(world, {})).rejects.toMatchObject({
    code: 'sandbox-not-empty',
    message: expect.stringContaining('/var/lib/standby/standby-restore-toy/base'),
  })
  expect(restored).toEqual([])
})

test('a restored copy is asked in the sandbox that it was restored in, from whichever sandbox the question comes', async () => {
  const { world, restored } = await worldOf()
  const asked: (string | Sandbox)[] = []
  const sql: DriverContext['sql'] = async (_component, at) => {
    asked.push(at)
    return []
  }
  const onCluster = world.drivers.onCluster as unknown as SiteDriver<JsonObject, unknown>
  const asking: SiteDriver<JsonObject, unknown> = {
    ...onCluster,
    backups: {
      ...onCluster.backups,
      async restoreTest(component, source, sandbox, context) {
        await context.sql('database', sandbox, 'SELECT 1')
        await context.sql('database', source, 'SELECT 1')
        return onCluster.backups?.restoreTest(component, source, sandbox, context) ?? Promise.reject(new Error('none'))
      },
    },
  }
  const drivers = { ...world.drivers, onCluster: asking as unknown as Driver }
  await verifyBackup({ ...world, drivers, context: { ...world.context, sql } }, {})
  const [ofDatabase] = restored.filter(({ component }) => component === 'database')
  expect(asked).toEqual([expect.objectContaining({ namespace: ofDatabase?.sandbox.namespace }), 'dc-a'])
  expect((asked[0] as Sandbox).labels).toEqual(ofDatabase?.sandbox.labels)
})
