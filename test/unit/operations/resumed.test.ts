import { describe, expect, test } from '@jest/globals'
import type { World } from '../../../src/composition/connect.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { newestBodies } from '../../../src/evidence/keep-evidence.ts'
import { continueFailover, patiently, readRun } from '../../../src/operations/continue-failover.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import { purposeOf } from '../../../src/planning/lock-findings.ts'
import { digestOf } from '../../../src/planning/plan-digest.ts'
import type { MoveRequest } from '../../../src/planning/resolve-intent.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { takeLock } from '../../../src/witness/lock.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { toyCode } from '../../support/toy-codes.ts'
import {
  continueToy,
  deployedToy,
  toyAllowed,
  toyApproval,
  toyClock,
  toyDriver,
  toyWorld,
} from '../../support/toy-stack.ts'

const RUN = 'r1'
const SWITCHOVER: MoveRequest = { mode: 'switchover', to: 'dc-b' }
const FAILOVER: MoveRequest = { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 }

async function planned(request: MoveRequest, broken: Partial<FlatDriver> = {}) {
  const { toy, store } = await deployedToy()
  const clock = toyClock()
  const driver = { ...toyDriver(toy), ...broken }
  const silent = request.mode === 'failover' ? ['dc-a'] : []
  const world = toyWorld(toy, store, { clock, driver, silent })
  const { plan, digest } = await planFailover(world, request)
  return { toy, store, clock, driver, world, plan, digest }
}
type Planned = Awaited<ReturnType<typeof planned>>

/** A process that died between its approval and its lock. */
async function leftBeforeLock(request = SWITCHOVER): Promise<Planned> {
  const at = await planned(request)
  await at.store.create(`runs/${RUN}/plan.json`, at.plan as unknown as JsonObject)
  await at.store.create(`runs/${RUN}/approval.json`, toyApproval(at.digest) as unknown as JsonObject)
  return at
}
const resume = async ({ world }: Pick<Planned, 'world'>) => continueToy(world, RUN, 'resume')

/** How often a resume that moves the stack observes it. */
async function looks({ world }: Pick<Planned, 'world'>, run = RUN): Promise<number> {
  let times = 0
  const counting: World = {
    ...world,
    observe: () => {
      times++
      return world.observe()
    },
  }
  expect(await continueToy(counting, run, 'resume')).toMatchObject({ verdict: 'moved' })
  return times
}

describe('a run that never held its lock', () => {
  test('is resumed while everything is as it was approved', async () => {
    const at = await leftBeforeLock()
    expect(await resume(at)).toMatchObject({ verdict: 'moved' })
  })

  test.each(['resume', 'abort'] as const)(
    'is refused by %s where another version began it, before anything is asked or changed',
    async (how) => {
      const at = await planned(SWITCHOVER)
      const plan = { ...at.plan, tool: { ...at.plan.tool, version: '0.1.0' } }
      await at.store.create(`runs/${RUN}/plan.json`, plan as unknown as JsonObject)
      const before = structuredClone(at.toy)
      const world: World = { ...at.world, observe: () => Promise.reject(new Error('observed')) }
      const kept = await readRun(world, RUN)
      const report = await continueFailover(world, kept, how, () => Promise.reject(new Error('asked for approval')))
      expect(report).toMatchObject({
        verdict: 'refused',
        failure: {
          code: 'other-version',
          what: expect.stringContaining('begun by version 0.1.0 of Standby, this is 0.2'),
          next: `Nothing was changed now. Use version 0.1.0: standby failover ${how} --run ${RUN}`,
        },
      })
      expect(at.toy).toEqual(before)
      expect(await at.store.list(`runs/${RUN}/`)).toEqual([`runs/${RUN}/plan.json`])
    },
  )

  test('is found through an outage of the witness, since users may be shut out; one of more than a minute is not waited out', async () => {
    const at = await leftBeforeLock()
    const silentFor = (ms: number): World => {
      const until = at.clock.now().getTime() + ms
      const get: ConditionalStore['get'] = async (key) => {
        if (at.clock.now().getTime() < until)
          throw siteError('witness-unreachable', 'no answer', { retry: 'transient' })
        return at.store.get(key)
      }
      return { ...at.world, store: { ...at.store, get } }
    }
    expect(await readRun(patiently(silentFor(40_000)), RUN)).toMatchObject({ run: RUN, plan: { id: at.plan.id } })
    await expect(readRun(patiently(silentFor(90_000)), RUN)).rejects.toMatchObject({ code: 'witness-unreachable' })
  })

  test('is looked at once before it goes on: users wait through every look', async () => {
    const at = await leftBeforeLock()
    expect(await looks(at)).toBe(1)
  })

  test('is not resumed when a fact has changed since: nothing was approved for what is true now', async () => {
    const at = await leftBeforeLock()
    at.toy.writer = null
    expect(await resume(at)).toMatchObject({ verdict: 'refused', failure: { code: 'plan-stale' } })
    expect(at.toy.effects).toEqual([])
    const [record] = await newestBodies(at.store, 1)
    expect(record?.facts.started).toContainEqual(expect.objectContaining({ component: 'database' }))
    expect(record?.facts.started).not.toEqual(record?.facts.planned)
  })

  test('is not resumed when its plan has expired, even with a new approval', async () => {
    const at = await leftBeforeLock()
    at.clock.pass(3 * 3_600_000)
    const renewed = toyApproval(at.digest, { proof: { purpose: { operation: 'resume', run: RUN } } })
    for (const approval of [toyApproval(at.digest), renewed]) {
      const report = await continueFailover(at.world, await readRun(at.world, RUN), 'resume', async () => approval)
      expect(report).toMatchObject({
        verdict: 'refused',
        failure: { code: 'plan-expired', next: expect.stringContaining('Make a new plan') },
      })
    }
    expect(at.toy.effects).toEqual([])
  })

  test('is resumed over the lock that it left itself, and not over that of another run', async () => {
    const left = async (holder: string) => {
      const at = await leftBeforeLock()
      const { intent } = at.plan
      // Each process writes that it has begun before it asks for the lock.
      const begun = {
        kind: 'begun',
        at: at.clock.now().toISOString(),
        planDigest: digestOf(at.plan),
        epoch: 2,
        attempt: 1,
      } as const
      if (holder.startsWith(RUN)) await (await openJournal(at.store, RUN)).append(begun)
      await takeLock(at.store, { stack: 'toy', holder, purpose: purposeOf(intent), epoch: 2, now: at.clock.now() })
      at.clock.pass(200_000)
      return resume(at)
    }
    expect(await left(`${RUN}#1`)).toMatchObject({ verdict: 'moved' })
    expect(await left('r0#1')).toMatchObject({ verdict: 'refused', failure: { code: 'move-unfinished' } })
  })

  test('is taken back whatever has changed: it has changed nothing', async () => {
    const at = await leftBeforeLock()
    at.toy.writer = null
    at.clock.pass(3 * 3_600_000)
    expect(await continueToy(at.world, RUN, 'abort')).toMatchObject({ verdict: 'undone' })
  })
})

describe('a failover that stopped before the witness named the new site', () => {
  /** The process is stopped before the point of no return, and the lost site stays silent. */
  async function stopped(behind = false) {
    const stopping = new AbortController()
    const at = await planned(FAILOVER)
    const step = behind ? 'start' : 'close'
    const own = at.driver.behaviours[step]
    const driver: FlatDriver = {
      ...at.driver,
      behaviours: {
        ...at.driver.behaviours,
        [step]: {
          done: async (run) => own?.done(run) ?? { is: 'pending', waitingFor: step },
          apply: async () => {
            stopping.abort(siteError('cancelled', 'somebody pressed Ctrl+C'))
            throw siteError('cancelled', 'somebody pressed Ctrl+C')
          },
        },
      },
    }
    const dying = toyWorld(at.toy, at.store, { clock: at.clock, driver, silent: ['dc-a'], signal: stopping.signal })
    const { run } = await executeFailover(dying, at.plan, toyApproval(at.digest))
    return { ...at, run }
  }
  const continued = async (
    at: Awaited<ReturnType<typeof stopped>>,
    how: 'resume' | 'abort',
    driver: FlatDriver,
    silent = ['dc-a'],
  ) => {
    const world = toyWorld(at.toy, at.store, { clock: at.clock, driver, silent })
    return continueToy(world, at.run, how)
  }

  test('is resumed while the lost site stays lost', async () => {
    const at = await stopped()
    expect(await continued(at, 'resume', at.driver)).toMatchObject({ verdict: 'moved' })
  })

  test('is not resumed when the site has come back and the plan does not shut its database, and the way back is named and open', async () => {
    const at = await stopped()
    const driver = { ...at.driver, fence: () => [] }
    const report = await continued(at, 'resume', driver, [])
    expect(report).toMatchObject({
      verdict: 'refused',
      failure: { code: 'fence-too-low', next: expect.stringContaining(`standby failover abort --run ${at.run}`) },
    })
    expect(at.toy.effects).not.toContain('promote')
    expect(await continued(at, 'abort', driver, [])).toMatchObject({ verdict: 'undone' })
  })

  test('is not resumed when more would be lost by now than was accepted', async () => {
    const at = await stopped()
    const driver: FlatDriver = {
      ...at.driver,
      loss: (component) =>
        component.name === 'database' ? { of: 'writes', bytes: [0, 9], seconds: [0, 61], why: 'an old archive' } : null,
    }
    expect(await continued(at, 'resume', driver)).toMatchObject({
      verdict: 'refused',
      failure: { code: 'loss-above-bound', next: expect.stringContaining('--accept-data-loss 1m') },
    })
    expect(at.toy.effects).not.toContain('promote')
  })

  test('is resumed without either question once the witness names the new site: it only goes forward', async () => {
    const at = await stopped(true)
    const driver: FlatDriver = {
      ...at.driver,
      loss: (component) =>
        component.name === 'database' ? { of: 'writes', bytes: [0, 9], seconds: [0, 61], why: 'an old archive' } : null,
    }
    expect(await continued(at, 'resume', driver, [])).toMatchObject({ verdict: 'moved' })
  })
})

describe('a run that was begun', () => {
  async function begun() {
    const at = await planned(SWITCHOVER, {})
    const driver = toyDriver(at.toy, {
      start: async () => Promise.reject(siteError(toyCode['image-missing'], 'no image')),
    })
    const { run } = await executeFailover(
      toyWorld(at.toy, at.store, { clock: at.clock, driver }),
      at.plan,
      toyApproval(at.digest),
    )
    return { ...at, run, kept: await readRun(at.world, run) }
  }

  test('is looked at once before it goes on', async () => {
    const at = await begun()
    expect(await looks(at, at.run)).toBe(1)
  })

  test('is continued with the stack file that it was begun with: with another one, the error names the right one and asks for no new plan', async () => {
    const { world, kept, run } = await begun()
    const other = { ...world, stack: { ...world.stack, source: { ...world.stack.source, digest: 'another' } } }
    const { failure } = await continueFailover(other, kept, 'resume', toyAllowed(kept))
    expect(failure).toMatchObject({ code: 'plan-stale', what: expect.stringMatching(/digest a{64}; .* have another/) })
    expect(failure?.next).toContain(`continue there: standby failover resume --run ${run}`)
    expect(failure?.next).not.toContain('new plan')
    expect(await continueFailover(world, kept, 'resume', toyAllowed(kept))).toMatchObject({
      failure: null,
      verdict: 'moved',
    })
  })

  test('is continued by the version that began it: another one is refused, and names that version', async () => {
    const { world, kept, run } = await begun()
    const plan = { ...kept.plan, tool: { ...kept.plan.tool, version: '0.0.9' } }
    const old = { ...kept, plan }
    const { failure } = await continueFailover(world, old, 'resume', toyAllowed(old))
    expect(failure).toMatchObject({
      code: 'other-version',
      next: `Nothing was changed now. Use version 0.0.9: standby failover resume --run ${run}`,
    })
  })
})

describe('what lies in the witness of a run', () => {
  test('is its plan only by the digest that its journal names: neither way goes on with another one', async () => {
    const at = await leftBeforeLock()
    const journal = await openJournal(at.store, RUN)
    await journal.append({
      kind: 'begun',
      at: new Date().toISOString(),
      planDigest: 'e'.repeat(64),
      epoch: 2,
      attempt: 1,
    })
    for (const how of ['resume', 'abort'] as const)
      await expect(continueToy(at.world, RUN, how)).rejects.toMatchObject({
        code: 'plan-stale',
        where: `witness runs/${RUN}/plan.json`,
      })
    expect(at.toy.effects).toEqual([])
    expect((await openJournal(at.store, RUN)).entries).toHaveLength(1)
  })

  test('may lack the approval: who takes it back needs none', async () => {
    const at = await leftBeforeLock()
    at.store.documents.delete(`runs/${RUN}/approval.json`)
    expect(await continueToy(at.world, RUN, 'abort')).toMatchObject({ verdict: 'undone' })
  })

  test('may be its lock alone: an error that names resume or abort also names the way out', async () => {
    const at = await planned(SWITCHOVER)
    const holder = 'forged#1'
    await takeLock(at.store, {
      stack: 'toy',
      holder,
      purpose: purposeOf(at.plan.intent),
      epoch: 2,
      now: at.clock.now(),
    })
    await expect(readRun(at.world, null)).rejects.toMatchObject({
      code: 'run-unknown',
      where: 'witness lock.json',
      next: expect.stringContaining('write a released lock by hand'),
    })
  })
})
