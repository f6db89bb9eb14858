import { describe, expect, test } from '@jest/globals'
import { newestBodies } from '../../../src/evidence/keep-evidence.ts'
import type { PlanReport, StatusReport } from '../../../src/evidence/reports.ts'
import { executeFailover } from '../../../src/operations/execute-failover.ts'
import { planFailover } from '../../../src/operations/plan-failover.ts'
import type { MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { htmlRun } from '../../../src/reporting/html-run.ts'
import { planSummary } from '../../../src/reporting/plan-summary.ts'
import { statusSummary } from '../../../src/reporting/status-summary.ts'
import { planText, statusText } from '../../../src/reporting/terminal.ts'
import { recordsIn } from '../../../src/witness/records-in-store.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { deployedToy, toyApproval, toyClock, toyDriver, toyWorld } from '../../support/toy-stack.ts'

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

/**
 * A plan of a stack with a replication gap, a component of no single site, and a history of restore tests (hours ago,
 * verdict).
 */
async function reviewed(tests: readonly (readonly [number, string])[] = []): Promise<PlanReport> {
  const { toy, store } = await deployedToy()
  const own = toyDriver(toy)
  const driver: FlatDriver = { ...own, gaps: () => ({ 'dc-b': { segments: 2, bytes: 31_500_000, seconds: 12 } }) }
  const clock = toyClock()
  const records = recordsIn(store, { warning: () => undefined })
  for (const [hoursAgo, verdict] of tests) {
    const at = new Date(clock.now().getTime() - hoursAgo * 3_600_000).toISOString()
    await records.write('restore-tests', `dc-a/${at}`, {
      schemaVersion: 1,
      at,
      verdict,
      provenRpo: null,
      provenRto: null,
    })
  }
  const report = await planFailover(toyWorld(toy, store, { driver, clock }), REQUESTS.switchover)
  const traffic = {
    name: 'traffic',
    driver: 'haproxy',
    role: 'split',
    health: 'degraded',
    text: '1/2 answer',
    gap: null,
    lastBackup: null,
  }
  return { ...report, status: { ...report.status, everywhere: [traffic as StatusReport['everywhere'][number]] } }
}

test('a failover, in which users are refused since the disaster, tells when they are served again', async () => {
  const { toy, store } = await deployedToy()
  const own = toyDriver(toy)
  const driver: FlatDriver = {
    ...own,
    move: (...of) =>
      (own.move?.(...of) ?? []).map((step) => (step.action === 'note' ? { ...step, phase: 'TRAFFIC' } : step)),
  }
  for (const text of texts(await planFailover(toyWorld(toy, store, { driver, silent: ['dc-a'] }), REQUESTS.failover))) {
    expect(text).toMatch(/users served again[ |]+4\.2 s after the start/)
    expect(text).not.toContain('writes refused')
  }
})

describe('a reviewer of a plan, on a page or on a terminal', () => {
  test('sees both sites, how far one is behind the other, and what belongs to neither', async () => {
    for (const text of texts(await reviewed()))
      for (const part of ['v1.34', 'behind: 2 segments, 31.5 MB', 'traffic, of no single site', '1/2 answer'])
        expect(text).toContain(part)
  })

  test('sees the same of the sites as in the status', async () => {
    const report = await reviewed([[5, 'restorable']])
    const rows = (text: string): string[] =>
      text.split('\n').filter((line) => /restore test|of no single site|^\|? ?(site|database) /.test(line))
    expect(rows(planSummary(report))).toEqual(rows(statusSummary(report.status)))
    expect(rows(planSummary(report))).toHaveLength(4)
    expect(rows(planText(report, { colour: false }))).toEqual(rows(statusText(report.status, { colour: false })))
  })

  test('sees how old the newest green restore test is, and the newest one too if it was not green', async () => {
    const shown = async (...tests: (readonly [number, string])[]): Promise<string[]> => texts(await reviewed(tests))
    for (const text of await shown([5, 'restorable'])) expect(text).toMatch(/restorable, 5 h 0 min ago/)
    for (const text of await shown([50, 'restorable'], [26, 'inconclusive'], [2, 'not-restorable']))
      expect(text).toMatch(/not-restorable, 2 h 0 min ago(<br>|; )last green: 2\.1 d ago/)
    for (const text of await shown([2, 'not-restorable'])) expect(text).toContain('last green: none known')
    for (const text of await shown()) expect(text).toContain('no restore test yet')
  })

  test('sees of a failover what is lost and accepted, which fence it shuts, who saw the lost site, that nothing rests on it, and until when', async () => {
    const report = await planned('failover')
    const { plan } = report
    for (const text of texts({
      ...report,
      plan: { ...plan, findings: [{ code: toyCode['a-finding'], severity: 'warning', what: 'look at this' }] },
    })) {
      for (const part of [
        'failover: dc-a is lost, dc-b takes over',
        'up to 30.0 s of writes (0 B to 4.1 kB)',
        'required: traffic; this plan shuts: traffic',
        'its API server',
        'nothing: no step acts on dc-a or waits for it',
        'look at this',
        plan.expiresAt,
        report.digest,
      ])
        expect(text).toContain(part)
      expect(text).toMatch(/loss accepted[ |:]+at most 1 min/)
    }
  })

  test('sees which steps act on a lost site that answers: what shuts it, and nothing else', async () => {
    const { toy, store } = await deployedToy()
    for (const text of texts(await planFailover(toyWorld(toy, store), REQUESTS.failover)))
      expect(text).toContain('the steps that shut it, because it answers: database.demote@dc-a')
  })

  test('sees of each step when it begins and how long it takes, the point of no return once, and what else cannot be undone', async () => {
    for (const text of texts(await reviewed())) {
      expect(text).toMatch(/\+0\.1 s *\|? *1\.0 s/)
      const marked = (mark: string): string[] =>
        text.split('\n').filter((line) => new RegExp(`(\\*\\*|\\()${mark}`).test(line))
      expect(marked('point of no return')).toEqual([expect.stringContaining('witness.activate@dc-b')])
      expect(marked('cannot be undone')).toEqual([expect.stringContaining('database.promote@dc-b')])
    }
  })
})

test('the last backup of a site is as old as that of the component whose last one is the oldest', async () => {
  const { status } = await planned('switchover')
  const hoursAgo = (hours: number): string => new Date(Date.parse(status.at) - hours * 3_600_000).toISOString()
  const backups: Record<string, string> = { database: hoursAgo(2), application: hoursAgo(9) }
  const sites = status.sites.map((site) => ({
    ...site,
    components: site.components.map((component) => ({ ...component, lastBackup: backups[component.name] ?? null })),
  }))
  expect(statusText({ ...status, sites }, { colour: false })).toContain(
    '9 h 0 min ago (application; the others are newer)',
  )
})
