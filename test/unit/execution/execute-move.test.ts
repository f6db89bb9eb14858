import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { systemClock } from '../../../src/composition/connect.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { readActive } from '../../../src/witness/active.ts'
import type { ConditionalStore } from '../../../src/witness/conditional-store.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { readLock, releaseLock, takeLock } from '../../../src/witness/lock.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { deployedToy, type ToyWorld, toyApproval, toyClock, toyDriver, toyWorld } from '../../support/toy-stack.ts'

describe('a planned move', () => {
  test('ends with the new site writing, the witness naming it in the next epoch, and the lock released', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    expect(report).toMatchObject({ verdict: 'moved', failure: null, epoch: { before: 1, after: 2 } })
    expect(toy).toEqual({ writer: 'dc-b', effects: ['demote', 'promote', 'start', 'note'] })
    expect((await readActive(store))?.record).toMatchObject({ activeSite: 'dc-b', epoch: 2 })
    expect((await readLock(store))?.record.released).toBe(true)
  })

  test('writes every intent before its effect and every result after it', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    const entries = (await openJournal(store, report.run)).entries
    expect(entries[0]?.kind).toBe('begun')
    expect(entries.at(-1)).toMatchObject({ kind: 'ended', verdict: 'moved' })
    for (const step of plan.steps) {
      const kinds = entries.filter((entry) => 'step' in entry && entry.step === step.id).map((entry) => entry.kind)
      expect(kinds).toEqual(['intent', 'result'])
    }
  })

  test('a failure before the point of no return is undone, and the old site writes again', async () => {
    const { toy, store } = await deployedToy()
    // The demotion fails after its effect.
    const driver = toyDriver(toy, {
      demote: async () => {
        toy.writer = null
        throw siteError(toyCode['shutdown-too-slow'], 'it took too long')
      },
    })
    const world = toyWorld(toy, store, { driver })
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    expect(report).toMatchObject({ verdict: 'undone', failure: { code: 'shutdown-too-slow' } })
    expect(toy.writer).toBe('dc-a')
    expect(report.steps.find((step) => step.id === 'database.demote@dc-a')?.outcome).toBe('undone')
    expect((await readActive(store))?.record.activeSite).toBe('dc-a')
    expect((await readLock(store))?.record.released).toBe(true)
  })

  test('a failure after the point of no return is never undone by bringing the old site back', async () => {
    const { toy, store } = await deployedToy()
    const driver = toyDriver(toy, {
      start: async () => Promise.reject(siteError(toyCode['image-missing'], 'no image')),
    })
    const world = toyWorld(toy, store, { driver })
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const report = await executeFailover(world, plan, toyApproval(digest))
    expect(report).toMatchObject({ verdict: 'stopped', failure: { code: 'image-missing' } })
    expect(toy.writer).toBe('dc-b')
    expect(toy.effects).not.toContain('undo demote')
  })

  test('a run that is cancelled while its witness is silent ends at once, and does not wait for the witness', async () => {
    const { toy, store } = await deployedToy()
    const own = new AbortController()
    let isSilent = false
    const unlessSilent = <Args extends unknown[], Answer>(ask: (...args: Args) => Promise<Answer>) => {
      return async (...args: Args): Promise<Answer> => {
        if (isSilent) throw siteError('witness-unreachable', 'no answer', { retry: 'transient' })
        return ask(...args)
      }
    }
    const witness: ConditionalStore = {
      ...store,
      get: unlessSilent(store.get),
      create: unlessSilent(store.create),
      replace: unlessSilent(store.replace),
      getText: unlessSilent(store.getText),
      createText: unlessSilent(store.createText),
      list: unlessSilent(store.list),
    }
    const driver = toyDriver(toy, {
      demote: async () => {
        isSilent = true
        setTimeout(() => own.abort(siteError('cancelled', 'a person stopped it')), 100)
      },
    })
    const world = toyWorld(toy, witness, { driver, signal: own.signal, clock: systemClock })
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const run = executeFailover(world, plan, toyApproval(digest)).then(
      () => 'ended',
      () => 'ended',
    )
    expect(await Promise.race([run, sleep(10_000, 'still waits', { ref: false })])).toBe('ended')
  }, 20_000)

  test('a plan is executed once: the second time it is refused and nothing happens', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    await executeFailover(world, plan, toyApproval(digest))
    const effects = [...toy.effects]
    const second = await executeFailover(world, plan, toyApproval(digest))
    expect(second.verdict).toBe('refused')
    expect(toy.effects).toEqual(effects)
  })

  test('of two runs with one plan at the same time exactly one moves', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    const reports = await Promise.all([
      executeFailover(world, plan, toyApproval(digest)),
      executeFailover(world, plan, toyApproval(digest)),
    ])
    expect(reports.map((report) => report.verdict).sort()).toEqual(['moved', 'refused'])
    expect(toy.effects.filter((effect) => effect === 'promote')).toHaveLength(1)
    // The other one says why, and leaves its record.
    const loser = reports.find(({ verdict }) => verdict === 'refused')
    expect(loser).toMatchObject({ failure: { code: 'lock-held', next: expect.stringContaining('begin again') } })
    expect(await store.getText(loser?.evidence ?? '')).toContain('lock-held')
  })

  test('a run that finds its plan burnt by another one under its own lock is refused with that reason, and gives the lock back', async () => {
    const { toy, store } = await deployedToy()
    const { plan, digest } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
    const key = `nonces/${plan.nonce}.json`
    const racing: ConditionalStore = {
      ...store,
      async create(at, body) {
        if (at === key) await store.create(key, { schemaVersion: 1, plan: plan.id, run: 'quicker' })
        return store.create(at, body)
      },
    }
    const report = await executeFailover(toyWorld(toy, racing), plan, toyApproval(digest))
    expect(report).toMatchObject({
      verdict: 'refused',
      failure: { code: 'plan-already-executed', what: expect.stringContaining('quicker') },
    })
    expect(await store.getText(report.evidence ?? '')).toContain('plan-already-executed')
    expect((await readLock(store))?.record.released).toBe(true)
    expect(toy.effects).toEqual([])
  })

  test.each([
    { mode: 'switchover', to: 'dc-b' },
    { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 },
  ] as const)(
    'a $mode that is refused because a deploy holds the lock is not used up: it is executed when the deploy has ended',
    async (request) => {
      const { toy, store } = await deployedToy()
      const world = toyWorld(toy, store, { silent: request.mode === 'failover' ? ['dc-a'] : [] })
      const { plan, digest } = await planFailover(world, request)
      await takeLock(store, { stack: 'toy', holder: 'deploy-1', purpose: 'deploy', epoch: 1, now: world.clock.now() })
      const refused = await executeFailover(world, plan, toyApproval(digest))
      expect(refused).toMatchObject({ verdict: 'refused', failure: { code: 'lock-held' } })
      expect(toy.effects).toEqual([])
      await releaseLock(store, 'deploy-1')
      expect(await executeFailover(world, plan, toyApproval(digest))).toMatchObject({ verdict: 'moved' })
    },
  )

  test('is not planned while a deploy is at work, except for a failover, which is approved meanwhile', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store, { silent: ['dc-a'] })
    await takeLock(store, { stack: 'toy', holder: 'deploy-1', purpose: 'deploy', epoch: 1, now: world.clock.now() })
    const severity = async (request: MoveRequest) =>
      (await planFailover(world, request)).plan.findings.find(({ code }) => code === 'lock-held')?.severity
    expect(await severity({ mode: 'switchover', to: 'dc-b' })).toBe('blocker')
    expect(await severity({ mode: 'failover', to: 'dc-b', acceptLoss: 60_000 })).toBe('warning')
  })
})

describe('a plan that is not true any more is refused before any effect', () => {
  const cases: [string, string, (at: Awaited<ReturnType<typeof deployedToy>>) => Promise<void>][] = [
    ['the approval is for another digest', 'plan-stale', async () => undefined],
    [
      'a decision fact changed',
      'plan-stale',
      async ({ toy }) => {
        toy.writer = null
      },
    ],
    [
      'another run holds the lock',
      'lock-held',
      async ({ store }) =>
        takeLock(store, { stack: 'toy', holder: 'other', purpose: 'deploy', epoch: 1, now: new Date() }),
    ],
  ]
  test.each(cases)('%s: %s', async (title, code, change) => {
    const at = await deployedToy()
    const world = toyWorld(at.toy, at.store)
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    await change(at)
    const report = await executeFailover(world, plan, toyApproval(title.includes('digest') ? 'other' : digest))
    expect(report).toMatchObject({ verdict: 'refused', failure: { code } })
    expect(at.toy.effects).toEqual([])
  })

  /** The toy stack, of which one part does not answer the first looks. */
  async function silentAtFirst(looks: number, change: (toy: ToyWorld) => void = () => undefined) {
    const { toy, store } = await deployedToy()
    const { plan, digest } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
    change(toy)
    const own = toyDriver(toy)
    let asked = 0
    const driver: FlatDriver = {
      ...own,
      async observe(component, at, context) {
        if (component.name === 'database' && at === 'dc-b' && ++asked <= looks)
          return { kind: 'silent', why: 'no answer within 3 s' }
        return own.observe(component, at, context)
      },
    }
    return { report: await executeFailover(toyWorld(toy, store, { driver }), plan, toyApproval(digest)), looks: asked }
  }

  test('a part that does not answer once does not cost the approval: it is asked once more', async () => {
    expect((await silentAtFirst(1)).report).toMatchObject({ verdict: 'moved' })
    expect(await silentAtFirst(9)).toMatchObject({
      report: { verdict: 'refused', failure: { code: 'plan-stale', what: expect.stringContaining('not to be seen') } },
      looks: 2,
    })
  })

  test('a site that does not answer once, and is therefore not seen alive, does not cost the approval', async () => {
    const { toy, store } = await deployedToy()
    const { plan, digest } = await planFailover(toyWorld(toy, store), { mode: 'switchover', to: 'dc-b' })
    const silent = ['dc-a']
    const world = toyWorld(toy, store, { silent })
    const observe = async () => {
      const seen = await world.observe()
      silent.length = 0
      return seen
    }
    expect(await executeFailover({ ...world, observe }, plan, toyApproval(digest))).toMatchObject({ verdict: 'moved' })
  })

  test('a part that does not answer is not asked once more when another one has changed', async () => {
    const changed = await silentAtFirst(1, (toy) => {
      toy.writer = null
    })
    expect(changed).toMatchObject({ report: { failure: { code: 'plan-stale' } }, looks: 1 })
  })

  test('an expired plan', async () => {
    const { toy, store } = await deployedToy()
    const clock = toyClock()
    const world = toyWorld(toy, store, { clock })
    const { plan, digest } = await planFailover(world, { mode: 'switchover', to: 'dc-b' })
    clock.pass(2 * 3_600_000)
    const report = await executeFailover(world, plan, toyApproval(digest))
    expect(report).toMatchObject({ verdict: 'refused', failure: { code: 'plan-expired' } })
    expect(toy.effects).toEqual([])
  })
})
