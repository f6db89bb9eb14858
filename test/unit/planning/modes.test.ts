import { describe, expect, test } from '@jest/globals'
import type { LivenessSignal } from '../../../src/domain/liveness.ts'
import type { FencingDeclaration, SiteName, Stack } from '../../../src/domain/stack.ts'
import { courseOf } from '../../../src/execution/course-of-plan.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { livenessOf } from '../../../src/planning/liveness.ts'
import { planDefects } from '../../../src/planning/plan-defects.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import { intentOf, type MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { lossText } from '../../../src/reporting/move-words.ts'
import { parseDuration } from '../../../src/values/duration.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { toyDriver, toyStack, toyStep } from '../../support/toy-stack.ts'

const at = '2026-11-20T12:00:00.000Z'
const answering = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 5 } as const
const silent = { kind: 'silent', why: 'no answer within 3 s', cause: 'no-answer', triedFrom: ['this runner'] } as const

function seen(sites: Observation['sites'], components: Observation['components'] = {}): Observation {
  const active = { schemaVersion: 1, stack: 'toy', epoch: 4, activeSite: 'dc-a', since: at, run: 'r' } as const
  return { at, witness: { kind: 'answering', active, lock: null }, sites, components }
}
const both = seen({ 'dc-a': answering, 'dc-b': answering })
const lost = seen({ 'dc-a': silent, 'dc-b': answering })

interface Around {
  readonly driver?: Partial<FlatDriver>
  readonly fencing?: Partial<FencingDeclaration>
}

function plan(observation: Observation, request: MoveRequest, { driver = {}, fencing = {} }: Around = {}) {
  const stack: Stack = { ...toyStack, fencing: { ...toyStack.fencing, ...fencing } }
  const drivers = { toy: liftedDriver({ ...toyDriver({ writer: 'dc-a', effects: [] }), ...driver }) }
  return planMove(stack, observation, intentOf(stack, observation, request), drivers, {
    id: 'p',
    nonce: 'n',
    toolVersion: '0',
  })
}
const failover = { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 } as const
const blockersOf = (planned: ReturnType<typeof plan>): string[] =>
  planned.findings.filter(({ severity }) => severity === 'blocker').map(({ code }) => code)
const sees = (...sightings: LivenessSignal[]): Around => ({
  driver: { sees: (component) => (component.name === 'database' ? sightings : []) },
})

describe('whether a site lives', () => {
  const liveness = (observation: Observation, ...sightings: LivenessSignal[]) =>
    livenessOf(
      toyStack,
      observation,
      { toy: liftedDriver({ ...toyDriver({ writer: null, effects: [] }), ...sees(...sightings).driver }) },
      'dc-a' as SiteName,
    ).is
  const down = (from: string): LivenessSignal => ({ from, says: 'down', what: 'refuses connections' })

  test('one pair of eyes cannot tell a dead site from a cut link of its own', () =>
    expect(liveness(lost)).toBe('unknown'))
  test('the same eyes twice are one pair', () => expect(liveness(lost, { ...down('this runner') })).toBe('unknown'))
  test('two vantage points can', () => expect(liveness(lost, down('lb-1'))).toBe('down'))
  test('an API server without a node that is ready is alive for itself alone', () => {
    const nodes = (ready: number, total: number) =>
      seen({ 'dc-a': { ...answering, parts: { ready, total } }, 'dc-b': answering })
    expect(liveness(nodes(0, 3))).toBe('unknown')
    expect(liveness(nodes(0, 3), down('lb-1'))).toBe('down')
    expect(liveness(nodes(1, 3), down('lb-1'))).toBe('up')
    // The identity may not list them, or none are seen: the API server counts.
    expect(liveness(nodes(0, 0))).toBe('up')
    expect(liveness(both)).toBe('up')
    // What is cut off from its API server may serve on.
    expect(liveness(nodes(0, 3), { from: 'lb-1', says: 'up', what: 'its application answers' })).toBe('up')
  })
  test('one signal that it is up is believed, however many say otherwise', () =>
    expect(liveness(lost, down('lb-1'), down('lb-2'), { from: 'replica', says: 'up', what: 'streams' })).toBe('up'))
})

test('a rejoin rests on nothing that the returned site says: its guard is shutting it meanwhile', () => {
  const saying = (timeline: number) => ({
    kind: 'answering',
    health: 'healthy',
    facts: [{ name: 'timeline', value: timeline, binds: 'exactly' }],
  })
  const returned = seen({ 'dc-a': answering, 'dc-b': answering }, {
    database: { 'dc-a': saying(4), 'dc-b': saying(3) },
  } as never)
  const { facts } = plan(returned, { mode: 'rejoin', to: 'dc-b' })
  expect(facts.filter(({ component }) => component === 'database').map(({ site }) => site)).toEqual(['dc-a'])
})

test('users are shut out before what serves them is stopped', () => {
  const move: FlatDriver['move'] = (component) =>
    component.name === 'database'
      ? [
          toyStep('database.stop@dc-a', 'DRAIN', { fence: 'application' }),
          toyStep('database.close@dc-a', 'DRAIN', { fence: 'traffic' }),
          toyStep('database.demote@dc-a', 'FENCE', { fence: 'database' }),
        ]
      : []
  const { steps } = plan(both, { mode: 'switchover', to: 'dc-b' }, { driver: { move } })
  const needsOf = (id: string) => steps.find((step) => step.id === id)?.needs
  expect(needsOf('database.stop@dc-a')).toEqual(['database.close@dc-a'])
  expect(needsOf('database.close@dc-a')).toEqual([])
  expect(needsOf('database.demote@dc-a')).toEqual([])
})

describe('the plan of a failover', () => {
  test('has no step on the lost site, and none that waits for it', () => {
    const planned = plan(lost, failover)
    expect(planned.steps.filter((step) => step.site === 'dc-a')).toEqual([])
    expect(blockersOf(planned)).toEqual([])
  })

  test('that names the lost site in a step is a defect, and no plan', () => {
    const move: FlatDriver['move'] = (component) =>
      component.name === 'database' ? [toyStep('database.demote@dc-a', 'FENCE')] : []
    expect(() => plan(lost, failover, { driver: { move } })).toThrow(expect.objectContaining({ code: 'plan-defect' }))
  })

  test('that fences after the promotion is a defect: it shuts nothing', () => {
    const move: FlatDriver['move'] = (component) =>
      component.name === 'database' ? [toyStep('database.close', 'TRAFFIC', { fence: 'traffic' })] : []
    expect(() => plan(lost, failover, { driver: { move } })).toThrow(expect.objectContaining({ code: 'plan-defect' }))
  })

  test('fences the database of a site whose API answers, before the promotion', () => {
    const planned = plan(both, failover)
    expect(planned.steps.find((step) => step.fence === 'database')).toMatchObject({ site: 'dc-a', phase: 'FENCE' })
    expect(planned.fencing).toEqual({ required: 'database', planned: ['traffic', 'database'] })
    expect(blockersOf(planned)).toEqual([])
  })

  test('is refused while a signal says that the site is alive and no step can fence its database', () => {
    const planned = plan(lost, failover, sees({ from: 'lb-1', says: 'up', what: 'its application answers' }))
    expect(blockersOf(planned)).toEqual(['fence-too-low'])
  })

  test('insists on the fences that its level needs, and only tries the others', () => {
    const power: FlatDriver['move'] = (component, _states, intent) =>
      component.name === 'database'
        ? [
            toyStep('database.close', 'DRAIN', { fence: 'traffic' }),
            toyStep('database.switch-off', 'FENCE', { fence: 'power', deadline: 180_000 }),
            toyStep(`database.promote@${intent.to}`, 'PROMOTE', { irreversible: true }),
          ]
        : []
    const tried = (observation: Observation, around: Around = {}) =>
      plan(observation, failover, { ...around, driver: { move: power } }).steps.flatMap(({ id, bestEffort }) =>
        bestEffort === undefined ? [] : [[id, bestEffort]],
      )
    expect(tried(lost)).toEqual([['database.switch-off', 180_000]])
    // Seen alive: its database must be shut, and power comes on top.
    expect(tried(both)).toEqual([['database.switch-off', 180_000]])
    // No node is ready: the fence of its database is tried, and keeps no user waiting.
    const dead = seen({ 'dc-a': { ...answering, parts: { ready: 0, total: 1 } }, 'dc-b': answering })
    expect(tried(dead)).toEqual([
      ['database.demote@dc-a', 30_000],
      ['database.switch-off', 180_000],
    ])
    // Without power nothing inside the site needs a fence of its own; the load balancers do.
    expect(tried(both, { fencing: { failover: 'power' } })).toEqual([['database.demote@dc-a', 30_000]])
    expect(
      plan(both, { mode: 'switchover', to: 'dc-b' }).steps.filter(({ bestEffort }) => bestEffort !== undefined),
    ).toEqual([])
  })

  test('is refused below the level that the stack declares', () => {
    expect(blockersOf(plan(lost, failover, { fencing: { failover: 'archive' } }))).toEqual(['fence-too-low'])
    expect(blockersOf(plan(lost, failover, { fencing: { failover: 'traffic' } }))).toEqual([])
  })

  test('is refused until a person has accepted a loss, and when more is predicted than was accepted', () => {
    expect(blockersOf(plan(lost, { mode: 'failover', to: 'dc-b' }))).toEqual(['loss-not-accepted'])
    expect(blockersOf(plan(lost, { ...failover, acceptLoss: 29_000 }))).toEqual(['loss-above-bound'])
    expect(plan(lost, failover).predictions.loss).toEqual({
      bytes: [0, 4096],
      seconds: [0, 30],
      why: 'the archive is 30 s old',
    })
  })

  test('names a bound that still holds when people have decided', () => {
    const next = plan(lost, { mode: 'failover', to: 'dc-b' }).findings.find(
      ({ code }) => code === 'loss-not-accepted',
    )?.next
    const bound = parseDuration(/--accept-data-loss (\S+)/.exec(next ?? '')?.[1] ?? '')
    expect(bound).toBe(31 * 60_000)
    expect(blockersOf(plan(lost, { ...failover, acceptLoss: bound ?? 0 }))).toEqual([])
  })

  test('shows what is likely beside the bound, and refuses by the bound alone', () => {
    const hour: Around = {
      driver: {
        loss: ({ name }) =>
          name !== 'database'
            ? null
            : { of: 'writes', bytes: [0, null], seconds: [0, 3_600], likely: 60, why: 'it ships every minute' },
      },
    }
    const planned = plan(lost, failover, hour)
    expect(lossText(planned.predictions.loss)).toBe(
      'up to 1 h 0 min of writes, likely at most 1 min, an unknown number of bytes: it ships every minute',
    )
    expect(blockersOf(planned)).toEqual(['loss-above-bound'])
    expect(blockersOf(plan(lost, { ...failover, acceptLoss: 3_600_000 }, hour))).toEqual([])
  })

  test('is refused when the loss is unknown, whatever was accepted', () => {
    const unknown: Around = {
      driver: { loss: () => ({ of: 'writes', bytes: [0, null], seconds: [0, null], why: 'the archive is silent' }) },
    }
    expect(blockersOf(plan(lost, { ...failover, acceptLoss: 10 ** 12 }, unknown))).toEqual(['loss-above-bound'])
    expect(blockersOf(plan(lost, failover, { driver: { loss: () => null } }))).toEqual(['loss-above-bound'])
  })

  test('whose loss cannot be measured is made by a person who accepts just that, and says so in its findings', () => {
    const unknown: Around = {
      driver: { loss: () => ({ of: 'writes', bytes: [0, null], seconds: [0, null], why: 'the archive is silent' }) },
    }
    for (const around of [unknown, { driver: { loss: () => null } }]) {
      const refused = plan(lost, failover, around).findings.find(({ code }) => code === 'loss-above-bound')
      expect(refused?.next).toContain('--accept-data-loss unknown')
      const accepted = plan(lost, { ...failover, acceptLoss: 'unknown' }, around)
      expect(blockersOf(accepted)).toEqual([])
      expect(accepted.findings).toContainEqual(
        expect.objectContaining({
          code: 'loss-unknown',
          severity: 'warning',
          what: expect.stringContaining('any loss is accepted'),
        }),
      )
    }
  })

  test('is not stopped by a loss that can be measured after all: the plan names the bound that says more', () => {
    const planned = plan(lost, { ...failover, acceptLoss: 'unknown' })
    expect(blockersOf(planned)).toEqual([])
    expect(planned.findings).toContainEqual(
      expect.objectContaining({
        code: 'loss-measured',
        severity: 'warning',
        next: expect.stringContaining('--accept-data-loss 31m'),
      }),
    )
  })

  test('of a stack without a database says so, and names what its cache loses all the same', () => {
    const cache: Around = {
      driver: {
        loss: ({ name }) =>
          name === 'database' ? null : { of: 'cache', bytes: [0, null], seconds: [0, 9], why: 'the dump is 9 s old' },
      },
    }
    const { loss } = plan(lost, failover, cache).predictions
    expect(loss.seconds).toEqual([0, null])
    expect(loss.why).toMatch(/the dump is 9 s old; .*no component says which writes would be lost/)
  })

  test('rests on nothing that the lost site says, but on whether it is seen alive', () => {
    const state = {
      kind: 'answering',
      state: {},
      role: 'active',
      health: 'healthy',
      text: '',
      facts: [{ name: 'writer', value: true, binds: 'exactly' }],
    } as const
    const planned = plan(seen({ 'dc-a': answering, 'dc-b': answering }, { database: { 'dc-a': state } }), failover)
    expect(planned.facts).toEqual([
      { component: 'sites', site: 'dc-a', name: 'seen alive', value: true, binds: 'exactly' },
    ])
    expect(plan(lost, failover).facts).toEqual([
      { component: 'sites', site: 'dc-a', name: 'seen alive', value: false, binds: 'exactly' },
    ])
  })
})

describe('the plan of a switchover', () => {
  test('is refused when one of its sites is silent, and below the declared fence', () => {
    expect(blockersOf(plan(lost, { mode: 'switchover', to: 'dc-b' }))).toEqual(['site-silent'])
    expect(blockersOf(plan(both, { mode: 'switchover', to: 'dc-b' }))).toEqual([])
    expect(blockersOf(plan(both, { mode: 'switchover', to: 'dc-b' }, { fencing: { switchover: 'archive' } }))).toEqual([
      'fence-too-low',
    ])
  })

  test('takes no accepted loss: it loses nothing', () => {
    expect(() => plan(both, { ...failover, mode: 'switchover' })).toThrow(
      expect.objectContaining({ code: 'input-invalid' }),
    )
  })
})

describe('the plan of a rejoin', () => {
  test('has no point of no return: the active site stays active', () => {
    const planned = plan(both, { mode: 'rejoin', to: 'dc-b' })
    expect(planned.steps.map(({ id }) => id)).toEqual(['witness.lock', 'witness.close', 'database.follow@dc-b'])
    expect(planned.predictions.loss).toMatchObject({ bytes: [0, 0], seconds: [0, 0] })
  })

  test('of the active site is refused', () => {
    expect(() => plan(both, { mode: 'rejoin', to: 'dc-a' })).toThrow(
      expect.objectContaining({ code: 'already-active' }),
    )
  })
})

describe('the plan of a reopening', () => {
  const opening: Around = {
    driver: {
      reopen: (component, _states, { to }) =>
        component.name === 'database'
          ? [toyStep(`database.open@${to}`, 'RESTORE_AUX')]
          : [toyStep(`application.open@${to}`, 'START')],
      // What its guard closes on a site.
      fence: () => [],
      behaviours: { open: { done: async () => ({ is: 'done', proof: {} }) } },
    },
  }
  const request = { mode: 'reopen', to: 'dc-a' } as const
  const shut = { kind: 'answering', role: 'passive', health: 'down', text: 'no replica', state: {}, facts: [] } as const
  const serving = { ...shut, role: 'active', health: 'healthy', text: 'serves' } as const

  test('takes the lock and an epoch, opens what others stand on first, and has no point of no return, no fence and no loss', () => {
    const planned = plan(seen(both.sites, { application: { 'dc-a': shut, 'dc-b': shut } }), request, opening)
    expect(planned.steps.map(({ id }) => id)).toEqual([
      'witness.lock',
      'witness.close',
      'database.open@dc-a',
      'application.open@dc-a',
    ])
    expect(planned.fencing).toEqual({ required: null, planned: [] })
    expect(planned.predictions).toMatchObject({ writeGap: 0, loss: { seconds: [0, 0] } })
    expect(blockersOf(planned)).toEqual([])
    expect(courseOf(planned, toyStack, {}).pointOfNoReturn).toBeNull()
  })

  test('is refused while another site serves, whatever the witness says', () => {
    const planned = plan(seen(both.sites, { application: { 'dc-a': shut, 'dc-b': serving } }), request, opening)
    expect(blockersOf(planned)).toEqual(['active-on-passive-site'])
  })

  test('is refused while another site cannot be seen, unless two vantage points call it dead', () => {
    const silentOther = seen({ 'dc-a': answering, 'dc-b': silent }, { application: { 'dc-a': shut } })
    expect(blockersOf(plan(silentOther, request, opening))).toEqual(['other-site-may-write'])
    const dead = sees({ from: 'power control', says: 'down', what: 'it is switched off' }).driver
    expect(blockersOf(plan(silentOther, request, { driver: { ...opening.driver, ...dead } }))).toEqual([])
  })

  test('is refused while a part of another site that could take writes cannot be seen', () => {
    const unseen = { kind: 'silent', why: 'its pod does not answer' } as const
    const planned = plan(seen(both.sites, { database: { 'dc-a': shut, 'dc-b': unseen } }), request, opening)
    expect(planned.findings.filter(({ severity }) => severity === 'blocker')).toMatchObject([
      { code: 'other-site-may-write', site: 'dc-b', what: expect.stringContaining('database on dc-b') },
    ])
  })

  test('is for the active site alone: another one comes back by a rejoin', () => {
    expect(() => plan(both, { mode: 'reopen', to: 'dc-b' }, opening)).toThrow(
      expect.objectContaining({
        code: 'not-the-active-site',
        next: expect.stringContaining('--mode rejoin --to dc-b'),
      }),
    )
  })

  test('a plan that names two sites, or promotes, is a defect before it can be signed', () => {
    const planned = plan(both, request, opening)
    const judgement = {
      stack: toyStack,
      drivers: { toy: liftedDriver({ ...toyDriver({ writer: 'dc-a', effects: [] }), ...opening.driver }) },
      now: new Date(at),
    }
    expect(planDefects(planned, judgement)).toEqual([])
    expect(
      planDefects({ ...planned, intent: { ...planned.intent, to: 'dc-b' as SiteName } }, judgement).join(),
    ).toContain('a reopen from dc-a to dc-b')
    const promoting = {
      ...planned,
      steps: planned.steps.map((step) => (step.phase === 'START' ? { ...step, phase: 'PROMOTE' as const } : step)),
    }
    expect(planDefects(promoting, judgement).join()).toContain('a reopen promotes nothing')
  })
})
