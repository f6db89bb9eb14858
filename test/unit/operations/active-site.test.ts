import { describe, expect, test } from '@jest/globals'
import type { World } from '../../../src/composition/connect.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { backUp } from '../../../src/operations/back-up.ts'
import { deploy } from '../../../src/operations/deploy.ts'
import { verifyBackup } from '../../../src/operations/verify-backup.ts'
import type { WitnessView } from '../../../src/witness/view.ts'
import { deployedToy, toyWorld } from '../../support/toy-stack.ts'

type Operation = (world: World) => Promise<unknown>
const backup: [string, Operation] = ['a backup', backUp]
const restoreTest: [string, Operation] = ['a restore test', (world) => verifyBackup(world, {})]
const deploying: [string, Operation] = ['a deploy', (world) => deploy(world, { dryRun: false, only: [] })]

/** The error of an operation that sees this; nothing may have been written before it. */
async function refusal(operation: Operation, seen: Partial<Observation>): Promise<unknown> {
  const { toy, store } = await deployedToy()
  const world = toyWorld(toy, store)
  const before = new Map(store.documents)
  const error: unknown = await operation({
    ...world,
    observe: async () => ({ ...(await world.observe()), ...seen }),
  }).catch((thrown: unknown) => thrown)
  expect(store.documents).toEqual(before)
  return error
}
const witness = (activeSite: string | null): WitnessView => ({
  kind: 'answering',
  active:
    activeSite === null
      ? null
      : { schemaVersion: 1, stack: 'toy', epoch: 1, activeSite, since: '2026-11-20T00:00:00Z', run: 'r' },
  lock: null,
})

describe.each([backup, restoreTest, deploying])('%s', (_, operation) => {
  test('gets the answer that the witness is silent, not that the stack was never deployed', async () => {
    expect(await refusal(operation, { witness: { kind: 'silent', why: 'no answer' } })).toMatchObject({
      code: 'witness-silent',
      mustAct: 'site',
    })
  })

  test('is refused where the witness names a site that the stack file does not declare', async () => {
    expect(await refusal(operation, { witness: witness('dc-z') })).toMatchObject({
      code: 'active-site-undeclared',
      message: expect.stringContaining('dc-z'),
    })
  })

  test('is refused where a kubeconfig leads to another cluster', async () => {
    expect(await refusal(operation, { sites: { 'dc-b': { kind: 'stranger', identity: 'another' } } })).toMatchObject({
      code: 'wrong-cluster',
      where: 'dc-b',
    })
  })
})

test.each([backup, restoreTest])('%s needs a first deploy', async (_, operation) => {
  expect(await refusal(operation, { witness: witness(null) })).toMatchObject({ code: 'never-deployed' })
})

describe('the site of a restore test', () => {
  test('that is named must be declared', async () => {
    expect(await refusal((world) => verifyBackup(world, { site: 'dc-z' }), {})).toMatchObject({
      code: 'unknown-site',
      message: expect.stringContaining('dc-z'),
      next: 'Name one of dc-a, dc-b.',
    })
  })

  test('is a passive one that answers, where none is named', async () => {
    const sites = { 'dc-b': { kind: 'silent', why: 'no answer', cause: 'no-answer', triedFrom: [] } } as const
    expect(await refusal((world) => verifyBackup(world, {}), { sites })).toMatchObject({ code: 'no-site-for-sandbox' })
  })
})

test('a restore test is refused on the active site, before a fresh backup is taken there', async () => {
  expect(await refusal((world) => verifyBackup(world, { site: 'dc-a', fresh: true }), {})).toMatchObject({
    code: 'sandbox-on-active-site',
    next: 'Name one of dc-b.',
  })
})
