import type { Scenario } from './scenario.ts'

const calm = { crashes: 0, faults: 0, delays: 0, outages: 0, writes: 1, fencedObjects: true, guarded: false }
const there = { mode: 'switchover', from: 0, epoch: 1, nonce: 'a' } as const
const alsoThere = { mode: 'switchover', from: 0, epoch: 1, nonce: 'b' } as const
const back = { mode: 'switchover', from: 1, epoch: 2, nonce: 'b' } as const

/** The worlds that every test run explores to the end. */
export const SCENARIOS: readonly Scenario[] = [
  { ...calm, name: 'one process, faults', plans: [there], runs: [0], processes: [{ run: 0, how: 'begin' }], faults: 2, writes: 2 },
  {
    ...calm,
    name: 'a crash, and somebody resumes',
    plans: [there],
    runs: [0],
    processes: [
      { run: 0, how: 'begin' },
      { run: 0, how: 'resume' },
    ],
    crashes: 1,
    faults: 1,
    delays: 1,
    writes: 1,
  },
]
export const PARTS = { calm, there, alsoThere, back }
