import { describe, expect, test } from '@jest/globals'
import type { BySite, Observed } from '../../../../src/domain/observed.ts'
import type { Intent, PlannedStep } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { ManualSurroundings } from '../../../../src/driver/manual.ts'
import type { GuardState } from '../../../../src/drivers/guard/observe.ts'
import type { GuardComponent } from '../../../../src/drivers/guard/spec.ts'
import type { GuardReport } from '../../../../src/guard/report.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { guard } from '../../../support/flat/drivers.ts'
import { toyClock, toyStack } from '../../../support/toy-stack.ts'

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const intent: Intent = { mode: 'failover', from: A, to: B, acceptLoss: 1 }
const component = (times: object = { closeAfter: '30s', silence: '15s' }): GuardComponent => {
  const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
  return { name: 'guard', driver: 'guard', needs: [], spec: { image: 'node:24', witnessCredentials: keys, ...times } }
}
/**
 * closeAfter + silence, the last round (5 + 6 + 5), the closing (10 + 5 + 5 + 60), and 1 % for the clocks: 142,41 s.
 */
const WITHIN = 143_000
const says = (
  closesWithin: number | null | undefined,
  health: 'healthy' | 'degraded' | 'down' = 'healthy',
): Observed<GuardState> => ({
  kind: 'answering',
  state: { ready: 1, report: { closesWithin } as GuardReport },
  role: 'unknown',
  health,
  text: 'as it is',
  facts: [],
})
const selfFencing = (states: BySite<GuardState>, of = component()) => guard.selfFencing?.(of, states, intent, toyStack)
const silent = { kind: 'silent', why: 'no answer' } as const

describe('what the guard of a lost site is trusted with', () => {
  test('the guard of a silent site is trusted with its declared time: silence speaks against nothing', () => {
    expect(selfFencing({ [A]: silent, [B]: says(WITHIN) })).toMatchObject({
      within: WITHIN,
      wait: { site: null, expected: WITHIN },
    })
    expect(selfFencing({})).toMatchObject({ within: WITHIN })
  })

  test('a guard without closeAfter is trusted with nothing: a site that cannot read the witness would stay open', () => {
    expect(selfFencing({ [A]: silent }, component({ silence: '15s' }))).toMatchObject({
      within: null,
      why: expect.stringContaining('closeAfter'),
    })
  })

  test('a guard that answers and is not well, or was not deployed on some site, is trusted with nothing', () => {
    expect(selfFencing({ [A]: { kind: 'absent', why: 'there is no Deployment' } })).toMatchObject({ within: null })
    expect(selfFencing({ [A]: silent, [B]: { kind: 'absent', why: 'there is no Deployment' } })).toMatchObject({
      within: null,
    })
    expect(selfFencing({ [A]: says(WITHIN, 'down') })).toMatchObject({ within: null })
    expect(selfFencing({ [A]: says(WITHIN, 'degraded') })).toMatchObject({
      within: null,
      why: expect.stringContaining('as it is'),
    })
  })

  test('a guard that was deployed with other times, or does not know its own, is trusted with nothing', () => {
    expect(selfFencing({ [A]: silent, [B]: says(600_000) })).toMatchObject({
      within: null,
      why: expect.stringContaining('other times'),
    })
    expect(selfFencing({ [A]: silent, [B]: says(null) })).toMatchObject({ within: null })
    expect(selfFencing({ [A]: silent, [B]: says(undefined) })).toMatchObject({ within: null })
  })

  test('a guard that would take longer than a day is trusted with nothing: no promotion waits so long', () => {
    expect(selfFencing({ [A]: silent }, component({ closeAfter: '30d' }))).toMatchObject({ within: null })
  })
})

describe('the wait', () => {
  const step = (): PlannedStep => {
    const planned = selfFencing({})
    if (planned?.within == null) throw new Error('it is not planned')
    return planned.wait
  }
  const run = (more: Partial<FlatRun> = {}) => {
    const clock = toyClock()
    const log = { info: () => undefined, warning: () => undefined, debug: () => undefined }
    const signal = new AbortController().signal
    return {
      clock,
      run: {
        step: step(),
        intent,
        context: { clock, log },
        signal,
        applied: false,
        ...more,
      } as unknown as FlatRun<never>,
    }
  }

  test('the wait is over only for the process that has waited, whatever the clock says, and takes its whole time', async () => {
    const { clock, run: asked } = run()
    clock.pass(10 * WITHIN)
    expect(await guard.behaviours['self-fencing']?.done(asked)).toMatchObject({ is: 'pending' })
    const began = clock.now().getTime()
    await guard.behaviours['self-fencing']?.apply?.(asked)
    expect(clock.now().getTime() - began).toBe(WITHIN)
    expect(await guard.behaviours['self-fencing']?.done({ ...asked, applied: true })).toMatchObject({
      is: 'done',
      proof: { by: 'time', guarded: 'dc-a', waitedMs: WITHIN, text: expect.stringContaining('this was not observed') },
    })
  })

  test('the wait by hand is as long', () => {
    expect(guard.manual?.(component(), step(), {} as ManualSurroundings)).toMatchObject({ commands: ['sleep 143'] })
  })

  test('the wait of a plan that was altered to wait for nothing is a defect, and no wait', async () => {
    const altered = { ...step(), parameters: { guarded: 'dc-a' } }
    await expect(guard.behaviours['self-fencing']?.apply?.(run({ step: altered }).run)).rejects.toThrow(
      'does not say how long',
    )
  })
})
