import type { PlanRequest } from './model-plans.ts'
import type { Scenario } from './scenario.ts'

/**
 * Nothing goes wrong, and what is written to a site's objects rests on a version that a later holder of the lock makes
 * old.
 */
export const CALM = {
  crashes: 0,
  faults: 0,
  delays: 0,
  outages: 0,
  writes: 1,
  fencedObjects: true,
  guarded: false,
} as const
export const THERE = { mode: 'switchover', from: 0, epoch: 1, nonce: 'a' } as const
/** With a fence that is not needed: the run goes on when it cannot be shut. */
export const THERE_AT_BEST: PlanRequest = {
  ...THERE,
  bent: (step) => (step.fence === 'application' ? { ...step, bestEffort: step.deadline } : step),
}
/**
 * Approved by people who were shown something else: nothing inside the old site is shut, and nothing says that it had
 * to be.
 */
export const THERE_UNFENCED: PlanRequest = {
  ...THERE,
  without: ({ fence }) => fence === 'database' || fence === 'application',
}
/** Without load balancers: two fences are enough to be opened by hand, and three make the world ten times as large. */
export const THERE_INSIDE: PlanRequest = { ...THERE, without: ({ component }) => component === 'traffic' }
/** A second approved plan for the same move. */
export const THERE_TOO = { mode: 'switchover', from: 0, epoch: 1, nonce: 'b' } as const
/** Planned and approved while the first move was not finished: its facts hold from the promotion on. */
export const BACK = { mode: 'switchover', from: 1, epoch: 2, nonce: 'c' } as const
export const FAILOVER = { mode: 'failover', from: 0, epoch: 1, nonce: 'f', fencing: 'database' } as const
export const REJOIN = { mode: 'rejoin', from: 1, epoch: 2, nonce: 'r' } as const
export const FAILOVER_OF_STUCK_MOVE = { mode: 'failover', from: 0, epoch: 2, nonce: 'g', fencing: 'database' } as const

const begin = (run: number) => ({ run, how: 'begin' as const })
const resume = (run: number) => ({ run, how: 'resume' as const })
const abort = (run: number) => ({ run, how: 'abort' as const })

/** The worlds that every test run explores to their ends. */
export const SCENARIOS: readonly Scenario[] = [
  {
    ...CALM,
    name: 'one process and two faults',
    plans: [THERE],
    runs: [0],
    processes: [begin(0)],
    faults: 2,
    writes: 2,
  },
  {
    ...CALM,
    name: 'a crash or a late effect, and a second process resumes',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
    delays: 1,
  },
  {
    ...CALM,
    name: 'a crash or a fault, and a second process aborts',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), abort(0)],
    crashes: 1,
    faults: 1,
  },
  {
    ...CALM,
    name: 'two faults, and a second process resumes',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), resume(0)],
    faults: 2,
    writes: 0,
  },
  {
    ...CALM,
    name: 'a fence that is not needed fails, and a second process aborts',
    plans: [THERE_AT_BEST],
    runs: [0],
    processes: [begin(0), abort(0)],
    crashes: 1,
    faults: 1,
    writes: 0,
  },
  {
    ...CALM,
    name: 'somebody opens the old site by hand, at any time',
    plans: [THERE],
    runs: [0],
    processes: [begin(0)],
    hands: 1,
  },
  {
    ...CALM,
    name: 'somebody opens the old site by hand between two processes',
    plans: [THERE_INSIDE],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
    hands: 1,
    handsBetweenProcesses: true,
  },
  {
    ...CALM,
    name: 'the journal lies about fences and promotion, and a second process resumes',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
    lies: 1,
  },
  {
    ...CALM,
    name: 'the newest entries of the journal vanish, and a second process resumes',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
    faults: 1,
    cuts: 1,
    writes: 0,
  },
  {
    ...CALM,
    name: 'the newest entries of the journal vanish, and a second process aborts',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), abort(0)],
    crashes: 1,
    faults: 1,
    cuts: 1,
    writes: 0,
  },
  {
    ...CALM,
    name: 'the plan of a switchover lacks its fence',
    plans: [THERE_UNFENCED],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
  },
  {
    ...CALM,
    name: 'one plan is dispatched twice',
    plans: [THERE],
    runs: [0, 0],
    processes: [begin(0), begin(1), resume(0)],
    writes: 0,
  },
  {
    ...CALM,
    name: 'two plans for one move',
    plans: [THERE, THERE_TOO],
    runs: [0, 1],
    processes: [begin(0), begin(1)],
    faults: 1,
  },
  {
    ...CALM,
    name: 'two plans in opposite directions',
    plans: [THERE, BACK],
    runs: [0, 1],
    processes: [begin(0), begin(1), resume(0)],
    writes: 0,
  },
  {
    ...CALM,
    name: 'a failover, and the lost site comes back and rejoins',
    plans: [FAILOVER, REJOIN],
    runs: [0, 1],
    processes: [begin(0), resume(0), begin(1)],
    outages: 1,
    guarded: true,
  },
  {
    ...CALM,
    name: 'a site is lost in the middle of a switchover, and a failover follows',
    plans: [THERE, FAILOVER_OF_STUCK_MOVE],
    runs: [0, 1],
    processes: [begin(0), begin(1)],
    outages: 1,
    guarded: true,
    writes: 0,
  },
  {
    ...CALM,
    name: 'a third site comes and goes',
    plans: [{ ...THERE, third: true }],
    runs: [0],
    processes: [begin(0)],
    thirdOutages: 2,
    // With a write, the last copy may run out of time: no third site has a part in that.
    writes: 0,
  },
  {
    ...CALM,
    name: 'a third site comes and goes, and a second process resumes',
    plans: [{ ...THERE, third: true }],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
    thirdOutages: 1,
    writes: 0,
  },
  {
    ...CALM,
    name: 'a failover, and a third site that may be ahead of the one that takes over',
    plans: [{ ...FAILOVER, third: true }],
    runs: [0],
    processes: [begin(0)],
    outages: 1,
    guarded: true,
    thirdOutages: 1,
    writes: 2,
  },
]
/** Worlds for `npm run explore`, one after the other, for as long as it is given. */
export const LARGER: readonly Scenario[] = [
  {
    ...CALM,
    name: 'somebody opens the old site by hand, and a second process resumes',
    plans: [THERE_INSIDE],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
    hands: 1,
  },
  {
    ...CALM,
    name: 'the newest entries of the journal vanish, with a fault and a write',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), resume(0)],
    crashes: 1,
    faults: 1,
    cuts: 1,
  },
  {
    ...CALM,
    name: 'opposite directions, with a write',
    plans: [THERE, BACK],
    runs: [0, 1],
    processes: [begin(0), begin(1), resume(0)],
  },
  {
    ...CALM,
    name: 'everything happens to one run',
    plans: [THERE],
    runs: [0],
    processes: [begin(0), resume(0), abort(0)],
    crashes: 1,
    faults: 1,
    delays: 1,
  },
  {
    ...CALM,
    name: 'one plan twice, with crashes',
    plans: [THERE],
    runs: [0, 0],
    processes: [begin(0), begin(1), resume(0), abort(1)],
    crashes: 1,
    delays: 1,
  },
  {
    ...CALM,
    name: 'opposite directions, with a crash and a late effect',
    plans: [THERE, BACK],
    runs: [0, 1],
    processes: [begin(0), begin(1), resume(0)],
    crashes: 1,
    delays: 1,
  },
  {
    ...CALM,
    name: 'a site is lost in a switchover, with writes and a fault',
    plans: [THERE, FAILOVER_OF_STUCK_MOVE],
    runs: [0, 1],
    processes: [begin(0), begin(1), resume(1)],
    crashes: 1,
    faults: 1,
    outages: 1,
    guarded: true,
  },
  {
    ...CALM,
    name: 'failover and rejoin, with faults and a second outage',
    plans: [FAILOVER, REJOIN],
    runs: [0, 1],
    processes: [begin(0), resume(0), begin(1), resume(1)],
    crashes: 2,
    faults: 1,
    outages: 2,
    guarded: true,
  },
]
export const CREW = { begin, resume, abort }
