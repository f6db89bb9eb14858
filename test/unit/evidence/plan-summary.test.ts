import { describe, expect, test } from '@jest/globals'
import { htmlRun } from '../../../src/evidence/html-run.ts'
import { newestBodies } from '../../../src/evidence/keep-evidence.ts'
import { planSummary } from '../../../src/evidence/plan-summary.ts'
import { planText } from '../../../src/evidence/terminal.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { PlanReport } from '../../../src/operations/reports.ts'
import type { MoveRequest } from '../../../src/planning/intent.ts'
import { deployedToy, toyApproval, toyWorld } from '../../support/toy-stack.ts'

const REQUESTS = {
  switchover: { mode: 'switchover', to: 'dc-b' },
  failover: { mode: 'failover', to: 'dc-b', acceptLoss: 60_000 },
  rejoin: { mode: 'rejoin', to: 'dc-b' },
} as const satisfies Record<string, MoveRequest>

async function planned(mode: keyof typeof REQUESTS): Promise<PlanReport> {
  const { toy, store } = await deployedToy()
  return planFailover(toyWorld(toy, store, { silent: mode === 'failover' ? ['dc-a'] : [] }), REQUESTS[mode])
}
const texts = (report: PlanReport): string[] => [planSummary(report), planText(report, { colour: false })]

describe('a rejoin, in which the active site serves all the while', () => {
  test('predicts no refused write, and its texts do not speak of one', async () => {
    const report = await planned('rejoin')
    expect(report.plan.predictions.writeGap).toBe(0)
    for (const text of texts(report)) expect(text).not.toContain('writes refused')
    for (const text of texts(await planned('switchover'))) expect(text).toContain('writes refused')
  })

  test('has no band of refused users in its picture', async () => {
    const { toy, store } = await deployedToy()
    const world = toyWorld(toy, store)
    const { plan, digest } = await planFailover(world, REQUESTS.rejoin)
    await executeFailover(world, plan, toyApproval(digest))
    const [body] = await newestBodies(store, 1)
    expect(body).toMatchObject({ verdict: 'moved', writeGap: null })
    if (body === undefined) throw new Error('no record')
    const steps = body.steps.map((step) => (step.phase === 'PROTECT' ? { ...step, phase: 'FENCE' as const } : step))
    expect(htmlRun([{ file: '00000001.json', body: { ...body, steps } }])).not.toContain('users are refused')
  })
})
