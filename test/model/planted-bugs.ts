import { isFinal } from '../../src/execution/gates.ts'
import type { RunState } from '../../src/execution/run-state.ts'
import { PRODUCTION, type Rules } from './run-table.ts'
import type { Scenario } from './scenario.ts'
import { CALM, CREW, FAILOVER, THERE, THERE_INSIDE, THERE_UNFENCED } from './scenarios.ts'

export interface PlantedBug {
  readonly scenario: Scenario
  /** What it breaks. */
  readonly breaks: string
}

const { begin, resume, abort } = CREW
const one = { ...CALM, plans: [THERE], runs: [0], processes: [begin(0)] }

const resumesBlindly: Rules = {
  ...PRODUCTION,
  beginRun(course, earlier) {
    const run = PRODUCTION.beginRun(course, earlier)
    const believed = Object.entries(run.steps).map(
      ([id, state]) => [id, state === 'unsure' && id !== course.lock ? 'done' : state] as const,
    )
    return { ...run, steps: Object.fromEntries(believed) }
  },
}
const turnsBackAlways: Rules = {
  ...PRODUCTION,
  commandsOf(course, run) {
    const commands = PRODUCTION.commandsOf(course, run)
    const stops = commands.some((command) => command.do === 'end' && command.verdict === 'stopped')
    return stops && run.direction === 'forward' && run.failed && !run.lost ? [{ do: 'turn-back' }] : commands
  },
}

const opensUncertainly: Rules = {
  ...PRODUCTION,
  commandsOf(course, run) {
    const { pointOfNoReturn: point } = course
    if (run.direction === 'forward' || point === null || run.steps[point] !== 'stuck')
      return PRODUCTION.commandsOf(course, run)
    const commands = PRODUCTION.commandsOf(course, { ...run, steps: { ...run.steps, [point]: 'undone' } })
    return commands.map((command) => (command.do === 'end' ? { ...command, verdict: 'stopped' } : command))
  },
}

/** What an earlier process wrote down of a fence counts as seen. */
const believesJournal: Rules = {
  ...PRODUCTION,
  beginRun(course, earlier) {
    const run = PRODUCTION.beginRun(course, earlier)
    const believed = course.steps.filter(({ id }) => run.steps[id] === 'done').map(({ id }) => [id, 'now'] as const)
    return { ...run, seen: Object.fromEntries(believed) }
  },
  advance: (course, run, event) => (event.is === 'faded' ? run : PRODUCTION.advance(course, run, event)),
}
/** What an earlier process wrote down of the promotion counts as seen. */
const believesPromotion: Rules = {
  ...PRODUCTION,
  beginRun(course, earlier) {
    const run = PRODUCTION.beginRun(course, earlier)
    const believed = course.steps
      .filter((step) => isFinal(course, step) && run.steps[step.id] === 'done')
      .map(({ id }) => [id, 'once'] as const)
    return { ...run, seen: Object.fromEntries(believed) }
  },
}
/** What is not on record was not done. */
const trustsTheEnd: Rules = {
  ...PRODUCTION,
  beginRun: (course, earlier) => PRODUCTION.beginRun(course, { ...earlier, continued: false }),
}
/** A fence that was shut once stays shut, for the process that shut it. */
const neverLooksAgain: Rules = {
  ...PRODUCTION,
  commandsOf: (course, run) => PRODUCTION.commandsOf(course, stillSeen(run)),
  advance: (course, run, event) =>
    event.is === 'cleared'
      ? { ...PRODUCTION.advance(course, stillSeen(run), event), seen: run.seen }
      : PRODUCTION.advance(course, run, event),
}
const stillSeen = (run: RunState): RunState => ({
  ...run,
  seen: Object.fromEntries(Object.keys(run.seen).map((id) => [id, 'now'] as const)),
})
/** A fence that was open is shut again, and what was copied before that is taken for all. */
const forgetsWhatRests: Rules = {
  ...PRODUCTION,
  advance(course, run, event) {
    const after = PRODUCTION.advance(course, run, event)
    return event.is === 'reopened-recorded' ? { ...after, steps: { ...run.steps, [event.step]: 'missing' } } : after
  },
}

/** What was approved is all that is demanded. */
const demandsNothing: Rules = {
  beginRun: (course, earlier) => PRODUCTION.beginRun({ ...course, required: null }, earlier),
  commandsOf: (course, run) => PRODUCTION.commandsOf({ ...course, required: null }, run),
  advance: (course, run, event) => PRODUCTION.advance({ ...course, required: null }, run, event),
}

/** Mistakes that were made, or could be made in a hurry. The explorer must find all of them. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    scenario: {
      ...one,
      name: 'the lock is not read again in front of an effect',
      processes: [begin(0), abort(0)],
      plants: ['skips-lock-check'],
      writes: 0,
    },
    breaks: 'the old site does not serve',
  },
  {
    scenario: {
      ...one,
      name: 'the promotion comes before the fence',
      plants: ['runs-without-fence'],
      rules: demandsNothing,
      plans: [{ ...THERE, bent: (step) => (step.fence === undefined ? step : { ...step, phase: 'PROTECT' }) }],
    },
    breaks: 'two sites accept writes',
  },
  {
    scenario: {
      ...one,
      name: 'a resume believes a journal that lies about the fences',
      processes: [begin(0), resume(0)],
      crashes: 1,
      lies: 1,
      rules: believesJournal,
    },
    breaks: 'two sites accept writes',
  },
  {
    scenario: {
      ...one,
      name: 'a resume believes a journal that lies about the promotion',
      processes: [begin(0), resume(0)],
      crashes: 1,
      lies: 1,
      writes: 0,
      rules: believesPromotion,
    },
    breaks: 'a run ends as moved, and the new site does not serve',
  },
  {
    scenario: {
      ...one,
      name: 'who takes a run back takes what is not on record for not done',
      processes: [begin(0), abort(0)],
      crashes: 1,
      cuts: 1,
      writes: 0,
      rules: trustsTheEnd,
    },
    breaks: 'a run ends as undone, and the old site does not serve',
  },
  {
    scenario: {
      ...one,
      name: 'nobody sees that the newest entries of a journal are gone',
      processes: [begin(0), abort(0)],
      crashes: 1,
      cuts: 1,
      writes: 0,
      plants: ['believes-short-journal'],
    },
    breaks: 'a run was undone, and the old site does not serve',
  },
  {
    scenario: {
      ...one,
      name: 'a resume does not look whether somebody has opened the old site since',
      processes: [begin(0), resume(0)],
      crashes: 1,
      hands: 1,
      rules: believesJournal,
    },
    breaks: 'two sites accept writes',
  },
  {
    scenario: {
      ...one,
      name: 'a process that shut the old site does not look again before it promotes',
      hands: 1,
      rules: neverLooksAgain,
    },
    breaks: 'two sites accept writes',
  },
  {
    scenario: {
      ...one,
      name: 'what rests on a fence that was open is not done again',
      plans: [THERE_INSIDE],
      processes: [begin(0), resume(0)],
      crashes: 1,
      hands: 1,
      rules: forgetsWhatRests,
    },
    breaks: 'an acknowledged write is lost',
  },
  {
    scenario: {
      ...one,
      name: 'a plan without its fence is carried out',
      plans: [THERE_UNFENCED],
      plants: ['runs-without-fence'],
      rules: demandsNothing,
    },
    breaks: 'two sites accept writes',
  },
  {
    scenario: {
      ...one,
      name: 'a resume believes every intent',
      processes: [begin(0), resume(0)],
      crashes: 1,
      rules: resumesBlindly,
    },
    breaks: 'an acknowledged write is lost',
  },
  {
    scenario: {
      ...one,
      name: 'the lock is released before everything is taken back',
      plans: [THERE, { ...THERE, epoch: 2, nonce: 'b' }],
      runs: [0, 1],
      processes: [begin(0), begin(1)],
      faults: 1,
      writes: 0,
      plants: ['releases-lock-early'],
    },
    breaks: 'the old site does not serve',
  },
  {
    scenario: {
      ...one,
      name: 'steps are taken back beyond the point of no return',
      faults: 1,
      rules: turnsBackAlways,
      plants: ['takes-back-beyond-return'],
    },
    breaks: 'the old site does not serve',
  },
  {
    scenario: {
      ...one,
      name: 'the old site is opened although nobody knows whether the new one is named',
      processes: [begin(0), resume(0)],
      faults: 2,
      rules: opensUncertainly,
    },
    breaks: 'a run stops, and names no reason',
  },
  {
    scenario: {
      ...one,
      name: 'the new site is named without compare-and-set',
      processes: [begin(0), abort(0)],
      crashes: 1,
      delays: 1,
      writes: 0,
      plants: ['activates-without-compare-and-set'],
    },
    breaks: 'the old site does not serve',
  },
  {
    scenario: { ...one, name: 'the nonce is not burnt', plants: ['burns-no-nonce'] },
    breaks: 'an effect without approval',
  },
  {
    scenario: {
      ...one,
      name: 'any process of the run may name the new site',
      processes: [begin(0), abort(0)],
      writes: 0,
      plants: ['activates-for-any-process'],
    },
    breaks: 'the old site does not serve',
  },
  {
    scenario: {
      ...CALM,
      name: 'a third site is told to follow a history that it has parted from',
      plans: [{ ...FAILOVER, third: true }],
      runs: [0],
      processes: [begin(0)],
      plants: ['redirects-what-parted'],
      outages: 1,
      guarded: true,
      writes: 1,
    },
    breaks: 'a history that it has parted from',
  },
  {
    scenario: {
      ...one,
      name: 'a move rests on its third site',
      plans: [{ ...THERE, third: true, bent: ({ bestEffort: _, ...step }) => step }],
      thirdOutages: 1,
      writes: 0,
    },
    breaks: 'a third site holds up a move',
  },
]

/** What the promises rest on: without it they do not hold, and the explorer shows how. */
export const WHAT_IT_RESTS_ON: readonly PlantedBug[] = [
  {
    scenario: {
      ...one,
      name: 'effects on a site do not rest on the version that was read',
      processes: [begin(0), abort(0)],
      writes: 0,
      fencedObjects: false,
    },
    breaks: 'the old site does not serve',
  },
  {
    scenario: { ...one, name: 'a lost site has no guard', plans: [{ ...FAILOVER, fencing: 'traffic' }], outages: 1 },
    breaks: 'two sites accept writes',
  },
  {
    scenario: {
      ...one,
      name: 'a failover is not declared to wait until the guard of the lost site has shut it',
      plans: [{ ...FAILOVER, fencing: 'traffic' }],
      outages: 1,
      guarded: true,
    },
    breaks: 'two sites accept writes',
  },
]
