import { expect, test } from '@jest/globals'
import type { World } from '../../../src/composition/connect.ts'
import type { Stack } from '../../../src/domain/stack.ts'
import type { Driver } from '../../../src/driver/capabilities.ts'
import { guard } from '../../../src/drivers/guard/driver.ts'
import { observe } from '../../../src/observation/observe.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { openJournal } from '../../../src/witness/journal.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import {
  continueToy,
  deployedToy,
  toyApproval,
  toyClock,
  toyDriver,
  toyStack,
  toyWorld,
} from '../../support/toy-stack.ts'

const stack: Stack = {
  ...toyStack,
  fencing: { switchover: 'database', failover: 'database' },
  components: [...toyStack.components, { name: 'guard', driver: 'guard', needs: [], spec: { closeAfter: '30s' } }],
}
/** No guard can be observed. */
const unseen = {
  ...guard,
  observe: async () => ({ kind: 'silent', why: 'no test asks it' }) as const,
}

/**
 * An approved failover away from a site that is silent; every process has a world of its own, and a clock that may end
 * it.
 */
async function approved() {
  const { toy, store } = await deployedToy()
  const time = toyClock()
  const promotedAt: number[] = []
  const drivers: Readonly<Record<string, Driver>> = {
    toy: liftedDriver(toyDriver(toy, { promote: async () => void promotedAt.push(time.now().getTime()) })),
    guard: unseen as unknown as Driver,
  }
  const world = (clock: Clock = time): World => {
    const bare = toyWorld(toy, store, { clock, silent: ['dc-a'] })
    const context = { ...bare.context, stack }
    return { ...bare, stack, drivers, context, observe: () => observe(context, store, drivers) }
  }
  const { plan, digest } = await planFailover(world(), { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 })
  const approval = toyApproval(digest)
  const within = plan.steps.find(({ action }) => action === 'self-fencing')?.expected ?? 0
  return { toy, store, time, promotedAt, world, plan, approval, within }
}

async function entryOf(
  { store }: Awaited<ReturnType<typeof approved>>,
  run: string,
  kind: string,
  step: string,
): Promise<number> {
  const { entries } = await openJournal(store, run)
  const found = entries.find((entry) => entry.kind === kind && 'step' in entry && entry.step === step)
  return Date.parse(found?.at ?? '')
}

test('promotes only when the guard of the lost site had its whole time, from the acknowledged activation on', async () => {
  const at = await approved()
  const report = await executeFailover(at.world(), at.plan, at.approval)
  expect(report).toMatchObject({
    verdict: 'moved',
    fence: { required: 'database', byTime: ['application', 'database'] },
  })
  const activated = await entryOf(at, report.run, 'result', 'witness.activate@dc-b')
  expect(at.within).toBeGreaterThan(30_000)
  expect((at.promotedAt[0] ?? 0) - activated).toBeGreaterThanOrEqual(at.within)
})

test.each([1, 3, 5])(
  'the wait of a process that dies in its sleep %i does not count: the one that continues waits the whole time, and then promotes',
  async (sleeps) => {
    const at = await approved()
    let slept = 0
    const died = new Promise<'died'>((resolve) => {
      const dying: Clock = {
        now: at.time.now,
        sleep: async (ms, signal) => {
          // Only the wait sleeps so long.
          if (ms >= 10_000 && ++slept === sleeps) {
            resolve('died')
            await new Promise<never>(() => undefined)
          }
          await at.time.sleep(ms, signal)
        },
      }
      void executeFailover(at.world(dying), at.plan, at.approval)
    })
    expect(await died).toBe('died')
    expect(at.toy.effects).not.toContain('promote')
    const run = (await at.store.list('runs/')).find((key) => key.endsWith('/approval.json'))?.split('/')[1] ?? ''
    // However long the run was not continued: the clock of another machine proves nothing.
    at.time.pass(60_000)
    const continued = at.time.now().getTime()
    const report = await continueToy(at.world(), run, 'resume')
    expect(report).toMatchObject({ verdict: 'moved' })
    expect((at.promotedAt[0] ?? 0) - continued).toBeGreaterThanOrEqual(at.within)
    expect(at.toy.effects.filter((effect) => effect === 'promote').length).toBe(1)
  },
)
