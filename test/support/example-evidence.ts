import type { Intent, Plan } from '../../src/domain/plan.ts'
import type { SiteName } from '../../src/domain/stack.ts'
import { evidenceOf } from '../../src/evidence/evidence-body.ts'
import type { MoveReport } from '../../src/evidence/reports.ts'
import type { StepReport } from '../../src/execution/step-report.ts'
import type { NamedRecord } from '../../src/reporting/html-run.ts'
import type { JournalEntry } from '../../src/witness/journal.ts'
import { toyStep } from './toy-stack.ts'

const BEGUN = Date.parse('2026-11-21T06:04:00Z')
const at = (seconds: number): string => new Date(BEGUN + seconds * 1_000).toISOString()
const intent: Intent = { mode: 'failover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName, acceptLoss: 60_000 }

/** Phase, begin, end and whether it fenced: a failover that stopped once, and was continued. */
const STEPS = [
  toyStep('witness.lock', 'LOCK', { title: 'Takes the lock' }),
  toyStep('traffic.close', 'DRAIN', { fence: 'traffic', title: 'Closes all load balancers' }),
  toyStep('database.fence@dc-a', 'FENCE', { fence: 'database', title: 'Fences pg-dc-a' }),
  toyStep('witness.activate@dc-b', 'PROMOTE', { irreversible: true, title: 'Point of no return' }),
  toyStep('database.promote@dc-b', 'PROMOTE', { irreversible: true, title: 'Promotes pg-dc-b' }),
  toyStep('cache.restore@dc-b', 'RESTORE_AUX', { title: 'Loads the newest dump' }),
  toyStep('application.start@dc-b', 'START', { title: 'Starts the application' }),
  toyStep('traffic.switch@dc-b', 'TRAFFIC', { title: 'Opens all load balancers to dc-b' }),
  toyStep('database.backup@dc-b', 'PROTECT', { title: 'Takes a base backup' }),
]
const TIMES: Readonly<Record<string, readonly [number, number]>> = {
  'witness.lock': [0, 0.3],
  'traffic.close': [0.3, 0.9],
  'database.fence@dc-a': [0.9, 4.2],
  'witness.activate@dc-b': [4.2, 4.4],
  'database.promote@dc-b': [4.4, 16.1],
  'cache.restore@dc-b': [0.9, 7.5],
  'application.start@dc-b': [62, 66.4],
  'traffic.switch@dc-b': [66.4, 67],
  'database.backup@dc-b': [67, 79],
}

const plan: Plan = {
  schemaVersion: 1,
  id: '20261121T060000Z-failover-dc-a-dc-b',
  stack: { name: 'infisical', digest: 's'.repeat(64) },
  tool: { name: 'standby', version: '0.1.0' },
  intent,
  epoch: 4,
  madeAt: '2026-11-21T06:00:00Z',
  expiresAt: '2026-11-21T08:00:00Z',
  nonce: '0'.repeat(32),
  facts: [],
  findings: [],
  steps: STEPS,
  fencing: { required: 'database', planned: ['traffic', 'database'] },
  liveness: { site: intent.from, is: 'up', sightings: [] },
  predictions: {
    duration: 30_000,
    writeGap: 20_000,
    learned: { runs: 0, steps: 0 },
    loss: { bytes: [0, 16_777_216], seconds: [0, 12], why: 'the archive is 12 s old' },
  },
}

function stepsUntil(seconds: number): StepReport[] {
  return STEPS.map(({ id, title, phase, site }): StepReport => {
    const [begun, ended] = TIMES[id] ?? [0, 0]
    const common = { id, title, phase, site }
    if (begun > seconds) return { ...common, outcome: 'not-reached', begunAt: null, endedAt: null, proof: null }
    if (ended > seconds) return { ...common, outcome: 'failed', begunAt: at(begun), endedAt: at(seconds), proof: null }
    return { ...common, outcome: 'done', begunAt: at(begun), endedAt: at(ended), proof: proofOf(id) }
  })
}

const proofOf = (id: string) =>
  id === 'database.promote@dc-b'
    ? {
        writable: true,
        lsn: '16/B374D8',
        loss: { bytes: [160, 160], seconds: [0, 3], why: 'the old primary was fenced at 16/B374D8' },
      }
    : { holds: true }

/**
 * Two records of one run: its first process stopped when the application did not start, the second one brought it to
 * its end.
 */
export function exampleRecords(): NamedRecord[] {
  const failed = stepsUntil(62.5)
  const failure = {
    code: 'step-timeout',
    what: 'application.start@dc-b did not end within 1 min: 0 of 2 replicas are ready',
    where: 'dc-b',
    next: 'kubectl -n infisical describe pod',
  } as const
  const first: JournalEntry[] = [
    { kind: 'begun', at: at(0), planDigest: 'd'.repeat(64), epoch: 5, attempt: 1 },
    { kind: 'failed', at: at(62.5), step: 'application.start@dc-b', code: failure.code, what: failure.what },
  ]
  const second: JournalEntry[] = [
    ...first,
    { kind: 'begun', at: at(60), planDigest: 'd'.repeat(64), epoch: 5, attempt: 2 },
  ]
  return [
    record('00000001.json', 'execute', reportOf('stopped', failed, failure), first, at(62.6)),
    record('00000002.json', 'resume', reportOf('moved', stepsUntil(100), null), second, at(79.1)),
  ]
}

function record(
  file: string,
  operation: 'execute' | 'resume',
  report: MoveReport,
  journal: readonly JournalEntry[],
  now: string,
): NamedRecord {
  const approval = {
    kind: 'github-environment' as const,
    digest: 'd'.repeat(64),
    approvers: [{ id: '7', name: 'rita' }],
    requestedBy: 'sam',
    reason: 'incident 4711',
    proof: {},
  }
  return {
    file,
    body: evidenceOf({ plan, approval, operation, report, begunAt: at(0), journal, now, toolVersion: '0.1.0' }),
  }
}

const reportOf = (verdict: MoveReport['verdict'], steps: StepReport[], failure: MoveReport['failure']): MoveReport => ({
  schemaVersion: 1,
  stack: 'infisical',
  run: '20261121T060400Z-0a1b2c3d',
  mode: 'failover',
  from: 'dc-a',
  to: 'dc-b',
  planId: plan.id,
  digest: 'd'.repeat(64),
  epoch: { before: 4, after: 5 },
  verdict,
  phases: [],
  steps,
  failure,
  duration: 79_100,
  writeGap: verdict === 'moved' ? 66_700 : null,
  evidence: null,
})
