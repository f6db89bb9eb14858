import { describe, expect, test } from '@jest/globals'
import { StandbyError, siteError } from '../../../src/errors/standby-error.ts'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { continuation, endText } from '../../../src/reporting/move-words.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import type { MemoryStore } from '../../support/memory-store.ts'
import { schemaErrors } from '../../support/published-schemas.ts'
import { deployedToy, type ToyWorld, toyApproval, toyClock, toyDriver, toyWorld } from '../../support/toy-stack.ts'

interface Bent {
  readonly toy: ToyWorld
  readonly store: MemoryStore
  readonly cancel: () => void
}

/** A run in a world that is bent between plan and execution. */
async function run(
  bend: (at: Bent) => { store?: ConditionalStore; driver?: FlatDriver },
  request: MoveRequest = SWITCHOVER,
): Promise<MoveReport> {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const stopping = new AbortController()
  const cancel = (): void =>
    stopping.abort(new StandbyError({ code: 'cancelled', mustAct: 'cancelled', what: 'the run was cancelled' }))
  const silent = request.mode === 'failover' ? ['dc-a'] : []
  const { plan, digest } = await planFailover(toyWorld(toy, store, { clock, silent }), request)
  const bent = bend({ toy, store, cancel })
  const world = toyWorld(toy, bent.store ?? store, {
    clock,
    silent,
    signal: stopping.signal,
    driver: bent.driver ?? toyDriver(toy),
  })
  const report = await executeFailover(world, plan, toyApproval(digest))
  expect(schemaErrors('result.schema.json#/$defs/move', report)).toEqual([])
  return report
}
const SWITCHOVER: MoveRequest = { mode: 'switchover', to: 'dc-b' }
const FAILOVER: MoveRequest = { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 }

const onActive = (store: MemoryStore, before: () => void, after: () => void): ConditionalStore => ({
  ...store,
  async replace(key, ...rest) {
    if (key === 'active.json') before()
    const version = await store.replace(key, ...rest)
    if (key === 'active.json') after()
    return version
  },
})
const nothing = (): void => undefined

describe('a run that may have changed something never says that nothing was changed', () => {
  test('when the step that takes the lock fails after it took the lock', async () => {
    const refuse = (): never => {
      throw siteError('kubernetes-forbidden', 'a right is missing on dc-a')
    }
    const report = await run(({ store }) => ({ store: onActive(store, refuse, nothing) }))
    expect(report).toMatchObject({
      verdict: 'stopped',
      epoch: { before: 1, after: 1 },
      failure: { code: 'kubernetes-forbidden' },
    })
    expect(continuation(report)).toContain(`standby failover abort --run ${report.run}`)
  })

  test('when it is cancelled right after the epoch was raised', async () => {
    const report = await run(({ store, cancel }) => ({ store: onActive(store, nothing, cancel) }))
    expect(report).toMatchObject({ verdict: 'stopped', epoch: { before: 1, after: 2 }, failure: { code: 'cancelled' } })
    expect(report.steps.find(({ id }) => id === 'witness.lock')).toMatchObject({
      outcome: 'unknown',
      begunAt: expect.any(String),
      endedAt: null,
    })
  })

  test('when it is cancelled while a step works: the step has begun, and its end is unknown', async () => {
    const report = await run(
      ({ toy, cancel }) => ({ driver: toyDriver(toy, { close: async () => cancel() }) }),
      FAILOVER,
    )
    expect(report).toMatchObject({ verdict: 'stopped', epoch: { before: 1, after: 2 } })
    expect(report.steps.find(({ id }) => id === 'application.close')).toMatchObject({
      outcome: 'unknown',
      endedAt: null,
    })
    expect(continuation(report)).toContain('Look at application.close')
  })
})

test('a run that is refused the lock changed nothing, and says so', async () => {
  const executed = (): Promise<never> =>
    Promise.reject(
      new StandbyError({ code: 'plan-already-executed', mustAct: 'approval', what: 'it was executed before' }),
    )
  const report = await run(({ store }) => ({
    store: { ...store, create: (key, body) => (key.startsWith('nonces/') ? executed() : store.create(key, body)) },
  }))
  expect(report).toMatchObject({
    verdict: 'refused',
    epoch: { before: 1, after: 1 },
    failure: { code: 'plan-already-executed' },
  })
  expect(endText(report)).toBe('refused: nothing was changed')
})
