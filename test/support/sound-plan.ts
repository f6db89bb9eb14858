import type { Plan } from '../../src/domain/plan.ts'

/** A plan that is sound by the published schema, with what a test says of it. */
export function soundPlan(more: Partial<Plan>): Plan {
  return {
    schemaVersion: 1,
    id: 'p',
    stack: { name: 'toy', digest: 'a'.repeat(64) },
    tool: { name: 'standby', version: '0' },
    intent: { mode: 'switchover', from: 'dc-a', to: 'dc-b' } as Plan['intent'],
    epoch: 1,
    madeAt: '2026-11-24T20:00:00.000Z',
    expiresAt: '2026-11-24T21:00:00.000Z',
    nonce: 'n',
    facts: [],
    findings: [],
    steps: [],
    fencing: { required: null, planned: [] },
    liveness: { site: 'dc-a', is: 'up', sightings: [] } as unknown as Plan['liveness'],
    predictions: {
      duration: 1,
      writeGap: 1,
      learned: { runs: 0, steps: 0 },
      loss: { bytes: [0, 0], seconds: [0, 0], why: 'nothing' },
    },
    ...more,
  }
}
