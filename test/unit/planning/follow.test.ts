import { describe, expect, test } from '@jest/globals'
import type { TakenOver } from '../../../src/domain/observed.ts'
import { asDriversKnow, MODES, type Plan, type PlannedStep } from '../../../src/domain/plan.ts'
import type { FencingDeclaration, SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Driver } from '../../../src/driver/capabilities.ts'
import { courseOf, refuseUnfenced } from '../../../src/execution/course-of-plan.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { findingsOf } from '../../../src/planning/findings.ts'
import { planDefects } from '../../../src/planning/plan-defects.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import { intentOf, type MoveRequest } from '../../../src/planning/resolve-intent.ts'
import type { Behaviour } from '../../support/flat/behaviour.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { toyDriver, toyStack, toyStep } from '../../support/toy-stack.ts'

const at = '2026-11-30T12:00:00.000Z'
const answering = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 5 } as const
const silent = { kind: 'silent', why: 'no answer within 3 s', cause: 'no-answer', triedFrom: ['this runner'] } as const
const ON_B: TakenOver = { site: 'dc-b', since: '2026-11-30T11:58:00.000Z', by: 'b1 holds the lock' }

const database = (role: 'active' | 'passive', primary: string) => ({
  kind: 'answering' as const,
  state: {},
  role,
  health: 'healthy' as const,
  text: '',
  facts: [{ name: 'primary', value: primary, binds: 'exactly' as const }],
})
function seen(sites: Observation['sites'], ofDatabase: Observation['components'][string], epoch = 4): Observation {
  const active = { schemaVersion: 1, stack: 'toy', epoch, activeSite: 'dc-a', since: at, run: 'r' } as const
  return { at, witness: { kind: 'answering', active, lock: null }, sites, components: { database: ofDatabase } }
}
/** The database has left dc-a, which is lost, or which lives on. */
const lost = seen({ 'dc-a': silent, 'dc-b': answering }, { 'dc-b': database('active', 'b1') })
const living = seen(
  { 'dc-a': answering, 'dc-b': answering },
  { 'dc-a': database('passive', 'a1'), 'dc-b': database('active', 'b1') },
)

const LOCK = toyStep('database.lock-held@dc-b', 'FENCE', { fence: 'database' })
const CLOSE = toyStep('application.close', 'DRAIN', { fence: 'traffic' })
const APPLICATION: Partial<Record<string, readonly PlannedStep[]>> = {
  failover: [
    CLOSE,
    toyStep('application.start@dc-b', 'START', { irreversible: true }),
    toyStep('application.open@dc-b', 'TRAFFIC', { irreversible: true }),
  ],
}
const PROMOTE = toyStep('application.promote@dc-b', 'PROMOTE', { irreversible: true })
interface Around {
  readonly taken?: TakenOver | null
  readonly driver?: Partial<FlatDriver>
  readonly fencing?: Partial<FencingDeclaration>
}
const held: Behaviour = { done: async () => ({ is: 'done', proof: {} }) }
function driversOf({ taken = ON_B, driver = {} }: Around): Readonly<Record<string, Driver>> {
  const lifted = liftedDriver({
    ...toyDriver({ writer: 'dc-b', effects: [] }),
    move: ({ name }, _states, { mode }) => (name === 'database' ? [LOCK] : [...(APPLICATION[mode] ?? [])]),
    fence: () => [],
    behaviours: { 'lock-held': held, close: held, start: held, open: held },
    ...driver,
  })
  return {
    toy: {
      ...lifted,
      movesByItself: { takenOver: ({ name }: { readonly name: string }) => (name === 'database' ? taken : null) },
    } as Driver,
  }
}
const stackOf = ({ fencing = {} }: Around): Stack => ({ ...toyStack, fencing: { ...toyStack.fencing, ...fencing } })

function plan(observation: Observation, request: MoveRequest = { mode: 'follow' }, around: Around = {}): Plan {
  const [stack, drivers] = [stackOf(around), driversOf(around)]
  const intent = intentOf(stack, observation, request, drivers)
  return planMove(stack, observation, intent, drivers, { id: 'p', nonce: 'n', toolVersion: '0' })
}
const blockersOf = ({ findings }: Plan): string[] =>
  findings.filter(({ severity }) => severity === 'blocker').map(({ code }) => code)

describe('a status', () => {
  test('says that data has moved by itself, to which site, since when and by what, and how the rest follows', () => {
    const found = findingsOf(toyStack, living, null, driversOf({}))
    expect(found.filter(({ code }) => code !== 'stack-warning')).toEqual([
      {
        code: 'moved-by-itself',
        severity: 'blocker',
        component: 'database',
        site: 'dc-b',
        what: 'the witness says that dc-a is active, and database takes its writes on dc-b since 2026-11-30T11:58:00.000Z: b1 holds the lock',
        next: 'Have everything follow it: standby failover plan --mode follow --to dc-b',
      },
    ])
  })

  test('without that proof calls it what it may be: a second site that writes', () => {
    const found = findingsOf(toyStack, living, null, driversOf({ taken: null })).map(({ code }) => code)
    expect(found).toEqual(['passive-on-active-site', 'active-on-passive-site'])
  })

  test('is quiet about data that is where the witness says', () => {
    const found = findingsOf(toyStack, living, null, driversOf({ taken: { ...ON_B, site: 'dc-a' } }))
    expect(found.map(({ code }) => code)).not.toContain('moved-by-itself')
  })
})

describe('a follow', () => {
  test('goes by itself to the site that has the data', () =>
    expect(plan(lost).intent).toEqual({ mode: 'follow', from: 'dc-a', to: 'dc-b' }))

  test.each([
    ['lost', lost],
    ['alive', living],
  ])('promotes nothing, and names the new site after the lock is seen there, where the old one is %s', (_, now) => {
    const planned = plan(now)
    expect(blockersOf(planned)).toEqual([])
    expect(planned.steps.filter(({ phase }) => phase === 'PROMOTE').map(({ id }) => id)).toEqual([
      'witness.activate@dc-b',
    ])
    expect(planned.steps.find(({ id }) => id === LOCK.id)).toMatchObject({ phase: 'FENCE', fence: 'database' })
    expect(planned.steps.find(({ id }) => id === LOCK.id)).not.toHaveProperty('bestEffort')
    expect(planned.steps.some(({ site }) => site === 'dc-a')).toBe(false)
    expect(planned.predictions.loss).toMatchObject({ bytes: [0, 0], seconds: [0, 0] })
    expect(planDefects(planned, { stack: toyStack, drivers: driversOf({}), now: new Date(at) })).toEqual([])
    expect(() => refuseUnfenced(courseOf(planned, toyStack, driversOf({})), planned)).not.toThrow()
  })

  test('of data that still lives on the old site demands that its database is shut, which the lock is', () => {
    expect(plan(living).fencing).toMatchObject({ required: 'database', planned: ['traffic', 'database'] })
    const without = plan(living, { mode: 'follow' }, { driver: { move: () => [] } })
    expect(blockersOf(without)).toEqual(['fence-too-low'])
  })

  test('that shuts too little names the key of the stack file that demands it', () => {
    const without = plan(lost, { mode: 'follow' }, { driver: { move: () => [] }, fencing: { failover: 'database' } })
    expect(without.findings.find(({ code }) => code === 'fence-too-low')?.next).toContain('Lower fencing.failover in')
  })

  test('rests on the primary of the new site, and on nothing that the old one says', () => {
    const sitesOf = (planned: Plan) => planned.facts.filter(({ name }) => name === 'primary').map(({ site }) => site)
    expect(sitesOf(plan(living))).toEqual(['dc-b'])
  })

  test('accepts no loss, because it causes none', () => {
    expect(() => plan(lost, { mode: 'follow', acceptLoss: 60_000 })).toThrow(
      expect.objectContaining({ code: 'input-invalid' }),
    )
  })

  test('never promotes acknowledged writes that are not there, and says which they are', () => {
    const promoting: Around = {
      driver: {
        loss: () => ({ of: 'writes', bytes: [0, null], seconds: [0, null], why: 'it is not here' }),
        move: ({ name }) => (name === 'database' ? [LOCK] : [CLOSE, PROMOTE]),
      },
    }
    const planned = plan(lost, { mode: 'follow' }, promoting)
    expect(blockersOf(planned)).toEqual(['follow-would-promote'])
    expect(planned.findings.find(({ code }) => code === 'follow-would-promote')).toMatchObject({
      component: 'application',
      next: expect.stringContaining('--mode failover --to dc-b'),
    })
  })

  test('promotes a cache, which has acknowledged no write', () => {
    const move: FlatDriver['move'] = ({ name }) => (name === 'database' ? [LOCK] : [CLOSE, PROMOTE])
    const cache: FlatDriver['loss'] = () => ({ of: 'cache', bytes: [0, null], seconds: [0, null], why: 'a cache' })
    expect(blockersOf(plan(lost, { mode: 'follow' }, { driver: { move, loss: cache } }))).toEqual([])
  })

  test('is refused where nothing has moved to its target', () => {
    expect(() => plan(living, { mode: 'follow' }, { taken: null })).toThrow(
      expect.objectContaining({ code: 'nothing-to-follow' }),
    )
    const named = plan(living, { mode: 'follow', to: 'dc-b' }, { taken: null })
    expect(blockersOf(named)).toContain('nothing-to-follow')
  })

  test('or a failover to the same site is the only move from the one that the data has left by itself', () => {
    for (const request of [
      { mode: 'switchover', to: 'dc-b' },
      { mode: 'reopen', to: 'dc-a' },
    ] as const)
      expect(blockersOf(plan(living, request))).toContain('moved-by-itself')
    expect(blockersOf(plan(living, { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 }))).toEqual([])
  })

  test('of an altered plan without the lock is refused before its first effect', () => {
    const planned = plan(living)
    const altered = { ...planned, steps: planned.steps.filter(({ id }) => id !== LOCK.id) }
    expect(planDefects(altered, { stack: toyStack, drivers: driversOf({}), now: new Date(at) })).not.toEqual([])
    expect(() => refuseUnfenced(courseOf(altered, toyStack, driversOf({})), altered)).toThrow(
      expect.objectContaining({ code: 'fence-missing' }),
    )
  })

  test('of a silent site demands the lock too, whatever fence is declared', () => {
    const planned = plan(lost)
    expect(planned.fencing.required).toBe('traffic')
    const altered = {
      ...planned,
      steps: planned.steps.map((step) => ({ ...step, ...(step.id === LOCK.id ? { bestEffort: 1_000 } : {}) })),
    }
    expect(planDefects(altered, { stack: toyStack, drivers: driversOf({}), now: new Date(at) })).not.toEqual([])
  })
})

test('drivers know every mode but the follow, which is a failover for them', () => {
  const ends = { from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
  expect(MODES.map((mode) => asDriversKnow({ mode, ...ends }).mode)).toEqual(
    MODES.map((mode) => (mode === 'follow' ? 'failover' : mode)),
  )
})
