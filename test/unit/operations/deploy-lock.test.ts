import { expect, test } from '@jest/globals'
import type { World } from '../../../src/composition/connect.ts'
import type { DeployUnit } from '../../../src/driver/deployment.ts'
import { deploy } from '../../../src/operations/deploy.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { deployedToy, toyDriver, toyStack, toyWorld } from '../../support/toy-stack.ts'

/** A deploy of two units, one after the other, which calls `between` when the first is applied. */
async function deploying(
  between: (store: MemoryStore) => Promise<void>,
  before: (store: MemoryStore) => Promise<void> = async () => undefined,
  first: (store: MemoryStore) => Promise<unknown> = async () => undefined,
) {
  const { toy, store } = await deployedToy()
  await first(store)
  const applied: string[] = []
  const roles = new Map<string, string>()
  const unit = (id: string, needs: string[], apply: () => Promise<void>): DeployUnit => ({
    id,
    site: null,
    title: id,
    needs,
    deadline: 1_000,
    diff: async () => (applied.includes(id) ? [] : [{ kind: 'create', object: id }]),
    async apply() {
      applied.push(id)
      await apply()
    },
    ready: async () => ({ is: 'done', proof: {} }),
  })
  const driver: FlatDriver = {
    ...toyDriver(toy),
    scope: 'stack',
    deploy: async ({ name }, _site, { roleOf }) => {
      for (const site of toyStack.sites) roles.set(site.name, roleOf(site.name))
      return [
        unit(name, name === 'application' ? ['database'] : [], () =>
          name === 'database' ? between(store) : Promise.resolve(),
        ),
      ]
    },
  }
  const world = toyWorld(toy, store, { driver })
  const observing: World = { ...world, observe: async () => world.observe().finally(() => before(store)) }
  return { applied, roles, report: await deploy(observing, { dryRun: false, only: [] }) }
}
async function changed(store: MemoryStore, key: string, change: JsonObject): Promise<void> {
  const found = await store.get(key)
  if (found === null) throw new Error(`no ${key}`)
  await store.replace(key, { ...(found.body as object), ...change }, found.version)
}

test('a deploy applies all its units under its lock', async () => {
  const { applied, report } = await deploying(async () => undefined)
  expect(applied).toEqual(['database', 'application'])
  expect(report.failure).toBeNull()
})

test.each([
  ['dc-a', { 'dc-a': 'active', 'dc-b': 'passive' }],
  ['dc-b', { 'dc-a': 'passive', 'dc-b': 'active' }],
])('a deploy gives each site the role that the witness names: %s is active', async (activeSite, expected) => {
  const nothing = async (): Promise<void> => undefined
  const { roles } = await deploying(nothing, nothing, (store) => changed(store, 'active.json', { activeSite }))
  expect(Object.fromEntries(roles)).toEqual(expected)
})

test('a deploy of which one part is refused changes nothing at all', async () => {
  const { toy, store } = await deployedToy()
  const applied: string[] = []
  const unit = (id: string, kind: 'create' | 'refused'): DeployUnit => ({
    ...{ id, site: null, title: id, needs: [], deadline: 1_000 },
    diff: async () => [{ kind, object: id, ...(kind === 'refused' ? { why: 'the API server refuses it' } : {}) }],
    apply: async () => void applied.push(id),
    ready: async () => ({ is: 'done', proof: {} }),
  })
  const driver: FlatDriver = {
    ...toyDriver(toy),
    scope: 'stack',
    deploy: async ({ name }) => [unit(name, name === 'database' ? 'create' : 'refused')],
  }
  const report = await deploy(toyWorld(toy, store, { driver }), { dryRun: false, only: [] })
  expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'change-refused', where: 'application' } })
  expect(applied).toEqual([])
})

test('a deploy that cannot look at a site changes nothing on the other one', async () => {
  const { toy, store } = await deployedToy()
  const applied: string[] = []
  const unit: DeployUnit = {
    ...{ id: 'database', site: null, title: 'database', needs: [], deadline: 1_000 },
    diff: async () => [{ kind: 'create', object: 'database' }],
    async apply() {
      applied.push('database')
    },
    ready: async () => ({ is: 'done', proof: {} }),
  }
  const driver: FlatDriver = { ...toyDriver(toy), scope: 'stack', deploy: async () => [unit] }
  const world = toyWorld(toy, store, { driver, silent: ['dc-b'] })
  await expect(deploy(world, { dryRun: false, only: [] })).rejects.toMatchObject({ where: 'dc-b' })
  expect(applied).toEqual([])
})

test('a deploy does not open what a move that stopped half way has closed', async () => {
  const expiresAt = new Date(Date.now() - 60_000).toISOString()
  const lock = {
    ...{ schemaVersion: 1, stack: 'toy', epoch: 2, holder: 'a-move#1', purpose: 'move: switchover from dc-a to dc-b' },
    ...{ takenAt: expiresAt, expiresAt, released: false },
  }
  const nothing = async (): Promise<void> => undefined
  const begun = deploying(nothing, nothing, (store) => store.create('lock.json', lock))
  await expect(begun).rejects.toMatchObject({ code: 'move-unfinished' })
})

test('a deploy whose lock another run has taken applies nothing more: the roles that it knows may be those of before', async () => {
  const { applied, report } = await deploying((store) => changed(store, 'lock.json', { holder: 'a-failover' }))
  expect(applied).toEqual(['database'])
  expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'lock-lost' } })
})

test('a deploy that looked before a move, and took the lock after it, applies nothing', async () => {
  const { applied, report } = await deploying(
    async () => undefined,
    (store) => changed(store, 'active.json', { epoch: 2, activeSite: 'dc-b' }),
  )
  expect(applied).toEqual([])
  expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'lock-lost' } })
})

test('an emptied witness is not filled anew by a deploy as long as a site holds what a deploy has made', async () => {
  const { toy, store } = await deployedToy()
  store.documents.delete('active.json')
  const driver: FlatDriver = {
    ...toyDriver(toy),
    async observe(...asked) {
      const seen = await toyDriver(toy).observe(...asked)
      return seen.kind === 'answering' ? { ...seen, madeBy: 'standby' } : seen
    },
  }
  const world = toyWorld(toy, store, { driver })
  await expect(deploy(world, { dryRun: true, only: [] })).rejects.toMatchObject({ code: 'witness-emptied' })
  await expect(deploy(world, { dryRun: false, only: [] })).rejects.toMatchObject({ code: 'witness-emptied' })
  expect(store.documents.has('active.json')).toBe(false)
  const findings = world.findings(await world.observe(), null)
  expect(findings).toMatchObject([{ code: 'witness-emptied', severity: 'blocker' }])
})
