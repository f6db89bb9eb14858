import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { toySite, watch } from '../../support/guard-world.ts'
import { rounds } from '../../support/rounds.ts'

describe('a site that has no right to be open', () => {
  test('a returning site that believes it is primary is closed at the first look, all parts side by side', async () => {
    const toy = toySite({ witness: { epoch: 5, activeSite: 'dc-b' } })
    await watch(toy, { until: 1 })
    expect(toy.effects.sort()).toEqual(['close application', 'close database'])
    expect(toy.reports.at(-1)).toMatchObject({
      decision: 'close',
      because: 'not-active',
      epoch: 5,
      activeSite: 'dc-b',
      open: [],
    })
    expect([...(toy.reports.at(-1)?.closed ?? [])].sort()).toEqual(['application.fence@dc-a', 'database.fence@dc-a'])
  })
  test('whatever comes up later is closed as well', async () => {
    const toy = toySite({
      witness: { epoch: 5, activeSite: 'dc-b' },
      role: { database: 'passive', application: 'passive' },
    })
    toy.onReading = (reading) => {
      if (reading === 8) toy.role.database = 'active'
    }
    await watch(toy, { until: 120_000 })
    expect(toy.effects).toEqual(['close database'])
  })
  test('an epoch that ends its turn closes it', async () => {
    const toy = toySite()
    toy.onReading = (reading) => {
      if (reading === 5) toy.witness = { epoch: 5, activeSite: 'dc-b' }
    }
    await watch(toy, { until: 60_000 })
    expect(toy.effects.length).toBe(2)
  })
  test('a fence that fails keeps no other part open, is tried again, and is reported', async () => {
    let tries = 0
    const toy = toySite({ witness: { epoch: 5, activeSite: 'dc-b' } })
    toy.broken.application = async () => {
      tries += 1
      if (tries < 3) throw new Error('the API server is starting')
    }
    await watch(toy, { until: 20_000 })
    expect(toy.effects).toEqual(['close database', 'close application'])
    expect(toy.reports[0]?.open).toEqual([{ what: 'application.fence@dc-a', why: 'the API server is starting' }])
    expect(toy.reports.at(-1)?.open).toEqual([])
  })
  test('a fence that hangs keeps no other part open', async () => {
    const toy = toySite({ witness: { epoch: 5, activeSite: 'dc-b' } })
    let release = (): void => undefined
    toy.broken.application = () =>
      new Promise((resolve) => {
        release = resolve
        setTimeout(() => {
          expect(toy.effects).toEqual(['close database'])
          release()
        }, 50)
      })
    await watch(toy, { until: 1 })
    expect(toy.effects).toEqual(['close database', 'close application'])
  })
  test('an answer that comes after its deadline, as after a freeze, proves nothing', async () => {
    const toy = toySite()
    toy.onReading = () => {
      toy.now += 6_000
    }
    await watch(toy, { until: 30_000 })
    expect(toy.reports.at(-1)).toMatchObject({
      because: 'not-proven-yet',
      activeSite: null,
      witnessSilent: 'its answer is 6.0 s old',
    })
  })
  test('is closed when the witness is silent since the boot and the declared silence is over, and not before', async () => {
    const toy = toySite({ witness: null })
    const booted = toy.now
    let closedAt = 0
    toy.broken.database = async () => {
      closedAt = toy.now - booted
    }
    await watch(toy, { until: 90_000 })
    expect(toy.effects.length).toBe(2)
    expect(closedAt).toBeGreaterThanOrEqual(60_000)
    expect(closedAt).toBeLessThanOrEqual(66_000)
  })
})

describe('a site that was not asked to close', () => {
  test('the active site sees no write, also while its witness is silent for hours', async () => {
    const toy = toySite()
    toy.onReading = (reading) => {
      if (reading > 10) toy.witness = null
    }
    await watch(toy, { until: 7_200_000 })
    expect(toy.effects).toEqual([])
    expect(toy.reports.at(-1)).toMatchObject({
      decision: 'stand-by',
      because: 'active-and-silent',
      witnessSilent: 'it refuses connections',
    })
  })
  test('a passive site as it should be sees no write: a rejoin is not disturbed', async () => {
    const toy = toySite({
      witness: { epoch: 5, activeSite: 'dc-b' },
      role: { database: 'passive', application: 'passive' },
    })
    await watch(toy, { until: 600_000 })
    expect(toy.effects).toEqual([])
    expect(toy.reports.at(-1)).toMatchObject({ decision: 'close', closed: [], open: [] })
  })
  test('the guard reports what cannot be observed, and does not touch it', async () => {
    const toy = toySite({
      witness: { epoch: 5, activeSite: 'dc-b' },
      role: { database: 'silent', application: 'passive' },
    })
    await watch(toy, { until: 60_000 })
    expect(toy.effects).toEqual([])
    expect(toy.reports.at(-1)?.open).toEqual([{ what: 'database', why: 'it cannot be observed: no answer' }])
  })
  test('a site that becomes active between two looks is not closed because of what it looked like before', async () => {
    // A switchover names the site and promotes it while the guard still holds the older record.
    for (const when of ['onReading', 'onLooking'] as const)
      for (const movedAt of [1, 2, 3, 4, 5, 6]) {
        const toy = toySite({
          witness: { epoch: 5, activeSite: 'dc-b' },
          role: { database: 'passive', application: 'passive' },
        })
        let times = 0
        toy[when] = () => {
          times += 1
          if (times !== movedAt) return
          toy.witness = { epoch: 6, activeSite: 'dc-a' }
          toy.role.database = 'active'
          toy.role.application = 'active'
        }
        await watch(toy, { until: 60_000 })
        expect(toy.effects).toEqual([])
        expect(toy.reports.at(-1)).toMatchObject({ decision: 'stand-by', because: 'active' })
      }
  })
  test('a record of another stack or a damaged one is no record', async () => {
    const toy = toySite()
    toy.onReading = (reading) => {
      if (reading > 3) toy.witness = { epoch: 7, activeSite: 'dc-b', stack: 'another' } as unknown as typeof toy.witness
    }
    await watch(toy, { until: 600_000 })
    expect(toy.effects).toEqual([])
  })
})

describe('the life of a guard', () => {
  test('one that crashed goes on where it was: the active site stays open over a silent witness', async () => {
    const toy = toySite()
    await watch(toy, { until: 30_000 })
    toy.witness = null
    await watch(toy, { until: 600_000 })
    expect(toy.effects).toEqual([])
  })
  test('one that has lost its memory with the boot has to be proven active again', async () => {
    const toy = toySite()
    await watch(toy, { until: 30_000 })
    toy.witness = null
    toy.knowledge = null
    await watch(toy, { until: 90_000 })
    expect(toy.effects.length).toBe(2)
  })
  test('a memory of another boot proves nothing: the clock of the machine has begun anew', async () => {
    const toy = toySite()
    await watch(toy, { until: 30_000 })
    toy.witness = null
    toy.now = 20_000
    await watch(toy, { until: 90_000 })
    expect(toy.effects.length).toBe(2)
  })
  test.each([
    ['text for an epoch', { epoch: '9' }],
    ['a negative epoch', { epoch: -5 }],
    ['half an epoch', { epoch: 4.5 }],
    ['an epoch that no stack reaches', { epoch: 2 ** 53 - 1 }],
    ['another stack', { epoch: 5, stack: 'another' }],
    ['an undeclared site', { epoch: 4, activeSite: 'nowhere' }],
    ['a path for a site', { epoch: 5, activeSite: '../dc-b' }],
    ['a later format', { epoch: 5, schemaVersion: 2 }],
  ])('%s that names another site shuts nothing; put right, the record is believed again', async (_, rubbish) => {
    const toy = toySite({ witness: { epoch: 4, activeSite: 'dc-a' } })
    await watch(toy, { until: 30_000 })
    toy.witness = { activeSite: 'dc-b', ...rubbish } as unknown as typeof toy.witness
    await watch(toy, { until: 600_000 })
    expect(toy.effects).toEqual([])
    expect(toy.reports.at(-1)).toMatchObject({
      decision: 'stand-by',
      because: 'active-and-silent',
      witnessSilent: expect.any(String),
    })
    toy.witness = { epoch: 5, activeSite: 'dc-b' }
    await watch(toy, { until: 60_000 })
    expect(toy.effects.length).toBe(2)
  })
  test('the log has each change once, and a report at least every half minute', async () => {
    const toy = toySite()
    await watch(toy, { until: 3_600_000 })
    expect(toy.lines).toEqual(['dc-a is the active site (epoch 4, active: dc-a)'])
    expect(toy.reports.length).toBeGreaterThanOrEqual(100)
    expect(toy.reports.length).toBeLessThanOrEqual(121)
  })
  test('the wrong cluster is never touched', async () => {
    const elsewhere = toySite({ witness: { epoch: 5, activeSite: 'dc-b' } })
    await watch(elsewhere, { until: 10_000, clusterId: 'uid-of-another' })
    expect(elsewhere.effects).toEqual([])
    expect(elsewhere.reports.at(-1)?.open[0]?.why).toContain('uid-of-another')
  })
})

test('in every history of moves, silences, crashes and parts that come up, it opens nothing, and closes nothing that the newest record calls active', async () => {
  const events = fc.array(fc.constantFrom('move', 'silent', 'speaks', 'comes-up', 'nothing'), {
    minLength: 5,
    maxLength: 40,
  })
  await fc.assert(
    fc.asyncProperty(events, async (history) => {
      const toy = toySite({ witness: { epoch: 1, activeSite: 'dc-a' } })
      let truth = { epoch: 1, activeSite: 'dc-a' }
      let speaks = true
      const wrong: string[] = []
      let moment = 0
      toy.onReading = toy.onLooking = () => {
        const event = history[moment]
        moment += 1
        // No plan moves to a site on which a part is open without right: that is a blocker.
        const clean = toy.role.database === 'passive' && toy.role.application === 'passive'
        if (event === 'move' && truth.activeSite === 'dc-a') truth = { epoch: truth.epoch + 1, activeSite: 'dc-b' }
        else if (event === 'move' && clean) {
          truth = { epoch: truth.epoch + 1, activeSite: 'dc-a' }
          toy.role.database = toy.role.application = 'active'
        }
        if (event === 'silent') speaks = false
        if (event === 'speaks') speaks = true
        if (event === 'comes-up') toy.role.database = 'active'
        toy.witness = speaks ? truth : null
      }
      const closing = async (): Promise<void> => {
        if (truth.activeSite === 'dc-a' && speaks) wrong.push(`closed in epoch ${truth.epoch}, in which it is active`)
      }
      toy.broken.database = closing
      toy.broken.application = closing
      await watch(toy, { until: 5_000 * (history.length + 2) })
      expect(wrong).toEqual([])
      expect(toy.effects.filter((effect) => effect.startsWith('OPEN'))).toEqual([])
      // It ends closed when the last word was that another site is active.
      if (speaks && truth.activeSite === 'dc-b')
        expect(toy.role).toEqual({ database: 'passive', application: 'passive' })
    }),
    { numRuns: rounds(150) },
  )
})
