import { expect, test } from '@jest/globals'
import type { World } from '../../../src/composition.ts'
import type { JsonObject } from '../../../src/json.ts'
import { deploy } from '../../../src/operations/deploy.ts'
import type { DeployUnit, Driver } from '../../../src/planning/driver.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { deployedToy, toyDriver, toyWorld } from '../../support/toy-stack.ts'

/** A deploy of two units, one after the other, which calls `between` when the first is applied. */
async function deploying(
  between: (store: MemoryStore) => Promise<void>,
  before: (store: MemoryStore) => Promise<void> = async () => undefined,
) {
  const { toy, store } = await deployedToy()
  const applied: string[] = []
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
  const driver: Driver = {
    ...toyDriver(toy),
    scope: 'stack',
    deploy: async ({ name }) => [
      unit(name, name === 'application' ? ['database'] : [], () => (name === 'database' ? between(store) : Promise.resolve())),
    ],
  }
  const world = toyWorld(toy, store, { driver })
  const observing: World = { ...world, observe: async () => world.observe().finally(() => before(store)) }
  return { applied, report: await deploy(observing, { dryRun: false, only: [] }) }
}
async function changed(store: MemoryStore, key: string, change: JsonObject): Promise<void> {
  const found = await store.get(key)
  if (found === null) throw new Error(`no ${key}`)
  await store.replace(key, { ...found.body, ...change }, found.version)
}

test('a deploy applies all its units under its lock', async () => {
  const { applied, report } = await deploying(async () => undefined)
  expect(applied).toEqual(['database', 'application'])
  expect(report.failure).toBeNull()
})

test('a deploy whose lock somebody else has taken applies nothing more: the roles that it knows may be those of before', async () => {
  const { applied, report } = await deploying((store) => changed(store, 'lock.json', { holder: 'a-failover' }))
  expect(applied).toEqual(['database'])
  expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'lock-lost' } })
})

test('a deploy that looked before a move, and took the lock behind it, applies nothing', async () => {
  const { applied, report } = await deploying(
    async () => undefined,
    (store) => changed(store, 'active.json', { epoch: 2, activeSite: 'dc-b' }),
  )
  expect(applied).toEqual([])
  expect(report).toMatchObject({ verdict: 'failed', failure: { code: 'lock-lost' } })
})
