import { loadavg } from 'node:os'
import { deployedStack } from '../deployed-stack.ts'
import { handOutCredentials } from '../lose-site.ts'
import { runStandby } from '../run-standby.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import type { MatrixCase } from './cases.ts'
import { endHalfDone } from './end-half-done.ts'
import { judgeKills, type TimedMove } from './judge-kills.ts'
import { type Moment, momentIn, spreadOver } from './kill-moments.ts'
import { runCase } from './run-case.ts'

const SWITCHOVER: MatrixCase = { trouble: 'none', mode: 'switchover', crash: null, takenBack: false, amid: null }
/**
 * Before each block of so many kills one move runs without a kill. It measures the usual gap, and the rest of a move
 * from each moment on. With that move a block is odd, so that such moves run in both directions.
 */
const A_LIVING_ONE_BEFORE = 4

/**
 * Switchovers there and back under a client that writes every 50 ms. The runner of each is killed, with all its
 * processes, at another moment between the first closed door and the opened traffic, and the command line of another
 * machine resumes its run at once. Exit code 0 only if users waited no longer than 15 s and the rest of the move, and
 * every promise of the matrix was kept. `first` goes on where an earlier call was ended.
 */
export async function runKills(count: number, first: number): Promise<number> {
  if (!Number.isInteger(count) || count < 1) throw new Error(`--kills ${count} is no number of kills`)
  if (!Number.isInteger(first) || first < 1 || first > count)
    throw new Error(`--first-kill ${first} is none of ${count}`)
  const { lab, stack, credentials } = await deployedStack()
  // The process that resumes at once needs its credentials now.
  await handOutCredentials(stack)
  const [living, killed]: [TimedMove[], TimedMove[]] = [[], []]
  const unfinished: string[] = []
  const begun = loadavg()

  /** One move; its runner dies at the moment of that place, or lives. */
  let { from } = endsOf(await untilGreen(stack, lab.programs.helm))
  const move = async (place: number | null, name: string, into: TimedMove[]): Promise<void> => {
    const say = (line: string): void => void process.stderr.write(`\n== ${name}: ${line}\n`)
    const moments = new Map<Moment, number>()
    let digest: string | null = null
    const diesAt = (line: string): boolean => {
      const moment = momentIn(line, from)
      if (moment === null || moments.has(moment)) return false
      moments.set(moment, Date.now())
      return place !== null && moments.size > place
    }
    const onPlanned = (planned: string): void => {
      digest = planned
    }
    try {
      const facts = await runCase(SWITCHOVER, { lab, stack, credentials, say, onPlanned, diesAt })
      from = facts.to
      into.push({ facts, moments })
    } catch (error) {
      unfinished.push(`BROKEN: ${name}, ${[...moments.keys()].at(-1) ?? 'before its first moment'}: ${String(error)}`)
      await endHalfDone(stack, lab, digest)
      from = endsOf(await untilGreen(stack, lab.programs.helm)).from
    }
  }

  for (let kill = first - 1; kill < count; kill++) {
    if ((kill - first + 1) % A_LIVING_ONE_BEFORE === 0) await move(null, 'a move that lives', living)
    const places = spreadOver(living[0]?.moments.size ?? 0, count)
    await move(places[kill] ?? 0, `kill ${kill + 1} of ${count}`, killed)
    process.stderr.write(`${judgeKills(living, killed.slice(-1)).lines[1] ?? ''}\n`)
  }
  const { lines, kept } = judgeKills(living, killed)
  const { code } = await runStandby<object>(stack, 'observer', ['evidence', 'verify'], {
    helm: lab.programs.helm,
    quiet: true,
  })
  const whole = code === 0 ? 'the evidence is whole' : `BROKEN: standby evidence verify ended with ${code}`
  process.stdout.write(
    `${[...lines, ...unfinished, whole, `load ${shown(begun)} at the begin, ${shown(loadavg())} at the end`].join('\n')}\n`,
  )
  return kept && unfinished.length === 0 && code === 0 ? 0 : 1
}

const shown = (load: readonly number[]): string => load.map((one) => one.toFixed(1)).join(' ')
