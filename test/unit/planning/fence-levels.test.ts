import { describe, expect, test } from '@jest/globals'
import { type FenceLevel, reaches } from '../../../src/domain/fence-levels.ts'
import type { Observed } from '../../../src/domain/observed.ts'
import type { Intent, Plan, PlannedStep } from '../../../src/domain/plan.ts'
import type { Component, SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Driver } from '../../../src/driver/capabilities.ts'
import { guard } from '../../../src/drivers/guard/driver.ts'
import { reachedFence } from '../../../src/evidence/reached-fence.ts'
import type { StepReport } from '../../../src/execution/step-report.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { toyDriver, toyStack, toyStep } from '../../support/toy-stack.ts'

const at = '2026-11-20T12:00:00.000Z'
const answering = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 5 } as const
const dead = { ...answering, parts: { ready: 0, total: 1 } } as const
const silent = { kind: 'silent', why: 'no answer within 3 s', cause: 'no-answer', triedFrom: ['this runner'] } as const
const as = (role: 'active' | 'passive'): Observed => ({
  kind: 'answering',
  state: {},
  role,
  health: 'healthy',
  text: '',
  facts: [],
})
const lossless: FlatDriver['loss'] = () => ({ of: 'writes', bytes: [0, 0], seconds: [0, 0], why: '' })

/** Two databases and two applications; `fenced` are the components for which the lost site has a step. */
function plan(of: {
  readonly failover: FenceLevel
  /** Whether its API server answers; `dead`: for itself alone. */
  readonly answers?: boolean | 'dead'
  readonly fenced?: readonly string[]
  readonly seen?: Readonly<Record<string, Observed>>
  readonly archive?: readonly string[]
  readonly power?: boolean
  readonly closeAfter?: string
}): Plan {
  const names = ['orders', 'users', 'shop', 'admin']
  const isDatabase = (name: string): boolean => name === 'orders' || name === 'users'
  const stack: Stack = {
    ...toyStack,
    fencing: { switchover: 'database', failover: of.failover },
    components: [
      ...names.map((name) => ({ name, driver: 'toy', needs: [], spec: {} })),
      {
        name: 'guard',
        driver: 'guard',
        needs: [],
        spec: of.closeAfter === undefined ? {} : { closeAfter: of.closeAfter },
      },
    ],
  }
  const driver = {
    ...toyDriver({ writer: 'dc-a', effects: [] }),
    loss: lossless,
    fence: ({ name }: Component, _states: unknown, { from }: Intent) =>
      of.fenced?.includes(name) === true
        ? [toyStep(`${name}.demote@${from}`, 'FENCE', { fence: isDatabase(name) ? 'database' : 'application' })]
        : [],
    move: ({ name }: Component, _states: unknown, { to }: Intent): PlannedStep[] => [
      ...(of.archive?.includes(name) === true ? [toyStep(`${name}.close`, 'FENCE', { fence: 'archive' })] : []),
      ...(of.power === true && name === 'orders' ? [toyStep('orders.start', 'FENCE', { fence: 'power' })] : []),
      ...(isDatabase(name) ? [toyStep(`${name}.promote@${to}`, 'PROMOTE', { irreversible: true })] : []),
    ],
  } as FlatDriver
  const active = { schemaVersion: 1, stack: 'toy', epoch: 4, activeSite: 'dc-a', since: at, run: 'r' } as const
  const notSilent = of.answers === 'dead' ? dead : answering
  const observation: Observation = {
    at,
    witness: { kind: 'answering', active, lock: null },
    sites: { 'dc-a': of.answers === false ? silent : notSilent, 'dc-b': answering },
    components: Object.fromEntries(Object.entries(of.seen ?? {}).map(([name, one]) => [name, { 'dc-a': one }])),
  }
  const intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName, acceptLoss: 60_000 } as const
  const drivers = { toy: liftedDriver(driver), guard: guard as unknown as Driver }
  return planMove(stack, observation, intent, drivers, { id: 'p', nonce: 'n', toolVersion: '0' })
}
const tooLow = ({ findings }: Plan): string | undefined => findings.find(({ code }) => code === 'fence-too-low')?.what

describe('an archive that is closed alone', () => {
  test('is not the level archive: its database goes on taking writes', () => {
    expect(reaches(['traffic', 'archive'], 'archive')).toBe(false)
    expect(reaches(['database', 'archive'], 'archive')).toBe(true)
    expect(reaches(['power'], 'archive')).toBe(true)
  })
  test('does not let a failover pass whose site is seen alive and whose database no step fences', () => {
    const archive = ['orders', 'users']
    expect(tooLow(plan({ failover: 'archive', archive }))).toContain(
      'this plan shuts archive, and leaves orders, users open',
    )
    expect(tooLow(plan({ failover: 'archive', archive, fenced: archive }))).toBeUndefined()
    expect(tooLow(plan({ failover: 'archive', power: true }))).toBeUndefined()
  })
  test('waits for the guard of a silent site, which shuts its database', () => {
    const planned = plan({ failover: 'archive', archive: ['orders', 'users'], answers: false, closeAfter: '30s' })
    expect(planned.steps.find(({ action }) => action === 'self-fencing')).toMatchObject({
      fence: 'database',
      byTime: true,
    })
    expect(planned.fencing).toMatchObject({
      planned: ['application', 'database', 'archive'],
      byTime: ['application', 'database'],
    })
    expect(tooLow(planned)).toBeUndefined()
  })
  test('keeps the fence of its database from being given up', () => {
    const fenced = ['orders', 'users']
    expect(
      plan({ failover: 'archive', archive: fenced, fenced }).steps.filter(({ bestEffort }) => bestEffort !== undefined),
    ).toEqual([])
  })
})

describe('a level of the fence', () => {
  test('is not reached by one of two databases that are promoted, and the plan names the open one', () => {
    const planned = plan({ failover: 'database', fenced: ['orders'] })
    expect(planned.fencing.planned).toEqual([])
    expect(tooLow(planned)).toContain('leaves users open')
    expect(tooLow(plan({ failover: 'database', fenced: ['orders', 'users'] }))).toBeUndefined()
  })
  test('is reached without a step for a database that is seen to follow there, or that is not there', () => {
    for (const users of [as('passive'), { kind: 'absent', why: 'no Cluster' } as const])
      expect(tooLow(plan({ failover: 'database', fenced: ['orders'], seen: { users } }))).toBeUndefined()
    expect(
      tooLow(plan({ failover: 'database', fenced: ['orders'], seen: { users: { kind: 'silent', why: 'x' } } })),
    ).toBeDefined()
  })
  test('is waited for where a proven fence holds a part of it only', () => {
    const planned = plan({ failover: 'database', fenced: ['orders'], closeAfter: '30s', seen: { guard: guardSeen } })
    expect(planned.steps.filter(({ action }) => action === 'self-fencing')).toHaveLength(1)
    expect(planned.fencing.byTime).toEqual(['application', 'database'])
  })
  test('is not reached by one of two applications that can be fenced, unless the other one sleeps', () => {
    const shut = { failover: 'application', answers: 'dead', fenced: ['orders', 'users', 'shop'] } as const
    expect(tooLow(plan(shut))).toContain('this plan shuts database, and leaves admin open')
    expect(tooLow(plan({ ...shut, seen: { admin: as('passive') } }))).toBeUndefined()
    // What is seen and has no role, such as a cache, serves no users by itself.
    expect(
      tooLow(plan({ ...shut, seen: { admin: { ...as('passive'), role: 'unknown' } as Observed } })),
    ).toBeUndefined()
    // Databases count for their own level alone.
    expect(tooLow(plan({ ...shut, fenced: ['shop', 'admin'] }))).toBeUndefined()
  })
  test('needs nothing of a part whose site has no power', () => {
    expect(tooLow(plan({ failover: 'database', fenced: ['orders'], power: true }))).toBeUndefined()
  })
})

const guardSeen: Observed = {
  kind: 'answering',
  state: { ready: 1, report: null },
  role: 'unknown',
  health: 'healthy',
  text: '',
  facts: [],
}

test('a report does not call a level reached that the plan shut for one of two databases only', () => {
  const reachedBy = (fenced: readonly string[]) => {
    const planned = plan({ failover: 'traffic', fenced })
    const done = planned.steps.map(({ id }) => ({ id, outcome: 'done' }) as StepReport)
    return reachedFence(planned, done).reached
  }
  expect(reachedBy(['orders'])).not.toContain('database')
  expect(reachedBy(['orders', 'users'])).toContain('database')
})
