import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusReport } from '../../src/evidence/reports.ts'
import { readableDuration } from '../../src/values/duration.ts'
import { median } from '../../src/values/percentile.ts'
import { longestGap, timeWithoutWrites } from '../ledger/judge-ledger.ts'
import { startLedgerProcess } from '../ledger/ledger-process.ts'
import { runStandby } from '../run-standby.ts'
import { endsOf } from '../until-green.ts'
import { type BenchLab, between } from './bench-lab.ts'
import { checkpointBoth, type Ends } from './by-hand.ts'
import { promise, spread } from './figures.ts'
import { withoutGuards } from './guards.ts'
import { asDeclared, asTheGuideHasIt, guidedSwitchover, restartAsTheGuideHasIt } from './guide.ts'
import { scriptedSwitchover } from './yardsticks.ts'

const OURS = 'standby failover'
const SCRIPT = 'smallest script'
const GUIDE = "guide's procedure"

/** The gap ends with the first write after the move; repairs that a way needs come later. Milliseconds. */
const FIRST_WRITES = 3_000

/** Milliseconds. */
interface Sample {
  /** The longest time without a write, while the way was followed. */
  readonly gapMs: number
  /**
   * The same summed up until the database has restarted for its last time, which is when nothing of the move is left to
   * happen.
   */
  readonly withoutWritesMs: number
  readonly greenMs: number
}
interface Way {
  /** Moves, and says how long it took until all was green; milliseconds. */
  move(ends: Ends): Promise<number>
  /** Lets the last restart of the database happen, where the move may end before it. */
  lastRestart?(ends: Ends): Promise<void>
  /** Not timed: preparation and clean-up of this way. */
  before?(ends: Ends): Promise<void>
  after?(ends: Ends): Promise<void>
}

/** The three ways in turn, round after round, under a client that writes every 50 ms; what is printed in the end. */
export async function benchSwitchover(bench: BenchLab, rounds: number, roundsOfTheGuide: number): Promise<string[]> {
  const { lab, stack, credentials } = bench
  const ways: Readonly<Record<string, Way>> = {
    [OURS]: { move: async ({ to }) => between(await bench.move({ to }), 'DRAIN', 'TRAFFIC') },
    [SCRIPT]: { move: (ends) => scriptedSwitchover(stack, lab, ends) },
    [GUIDE]: {
      before: (ends) => asTheGuideHasIt(stack, ends),
      move: (ends) => guidedSwitchover(stack, lab, ends),
      lastRestart: async (ends) => {
        if (await restartAsTheGuideHasIt(stack, ends)) say(`${GUIDE}: the operator had forgotten its restart`)
      },
      after: (ends) => asDeclared(stack, lab, ends),
    },
  }
  const file = join(await mkdtemp(join(tmpdir(), 'standby-bench-')), 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  const samples = new Map<string, Sample[]>(Object.keys(ways).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const [name, way] of Object.entries(ways)) {
      if (name === GUIDE && round >= roundsOfTheGuide) continue
      const ends = endsOf(await untilSettled(bench))
      const timed = async (): Promise<Sample> => {
        await way.before?.(ends)
        const from = Date.now()
        const greenMs = await way.move(ends)
        await sleep(FIRST_WRITES)
        const moved = { from, to: Date.now() }
        await way.lastRestart?.(ends)
        await sleep(FIRST_WRITES)
        const entries = await ledger.entries()
        return {
          greenMs,
          gapMs: longestGap(entries, moved)?.durationMs ?? Number.NaN,
          withoutWritesMs: timeWithoutWrites(entries, { from, to: Date.now() }),
        }
      }
      const sample = await (name === OURS ? timed() : withoutGuards(stack, ends.to, timed))
      await way.after?.(ends)
      samples.get(name)?.push(sample)
      const { gapMs, withoutWritesMs, greenMs } = sample
      say(
        `${name}: gap ${readableDuration(gapMs)}, ${readableDuration(withoutWritesMs)} without writes, green ${readableDuration(greenMs)}`,
      )
    }
  await untilSettled(bench)
  await ledger.stop()
  return report(samples)
}

/**
 * Green, but for what only a move of ours would have done; the follower's next restartpoint shows its timeline, and is
 * not waited for.
 */
async function untilSettled({ stack, lab }: BenchLab): Promise<StatusReport> {
  const deadline = Date.now() + 180_000
  for (;;) {
    const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], {
      helm: lab.programs.helm,
      quiet: true,
    })
    const left = result.findings.filter(({ severity, code }) => severity !== 'info' && !NOT_OF_A_SCRIPT.has(code))
    if (left.length === 0) return result
    if (Date.now() > deadline) throw new Error(`not settled within 3 min: ${left.map(({ what }) => what).join('; ')}`)
    await checkpointBoth(stack)
    await sleep(2_000)
  }
}
const NOT_OF_A_SCRIPT: ReadonlySet<string> = new Set(['image-differs', 'no-backup', 'application-not-ready'])

const say = (line: string): void => void process.stderr.write(`${line}\n`)

function report(samples: ReadonlyMap<string, readonly Sample[]>): string[] {
  const of = (name: string, figure: keyof Sample): number[] => (samples.get(name) ?? []).map((sample) => sample[figure])
  const ratio = (other: string, figure: keyof Sample, what: string, most: number): string => {
    const [ours, theirs] = [median(of(OURS, figure)), median(of(other, figure))]
    return promise(
      ours / theirs < most,
      `switchover ratio ${(ours / theirs).toFixed(2)}  (p50 of ${what}, standby over the ${other})`,
    )
  }
  return [
    'planned switchover, the ways in turn, under a client that writes every 50 ms:',
    ...[...samples.keys()].flatMap((name) => [
      `  ${name}, ${of(name, 'gapMs').length} rounds`,
      `    longest gap      ${spread(of(name, 'gapMs'))}`,
      `    without writes   ${spread(of(name, 'withoutWritesMs'))}`,
      `    green            ${spread(of(name, 'greenMs'))}`,
    ]),
    ratio(SCRIPT, 'gapMs', 'the longest gap', 1.15),
    ratio(GUIDE, 'gapMs', 'the longest gap', 1 / 3),
    ratio(
      GUIDE,
      'withoutWritesMs',
      'the time without writes until the database has restarted for its last time',
      1 / 3,
    ),
  ]
}
