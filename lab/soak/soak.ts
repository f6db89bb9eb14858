import type { DeployedStack } from '../deployed-stack.ts'
import { loseSite, returnSite } from '../lose-site.ts'
import { type MoveInputs, reviewedMove } from '../reviewed-move.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { witnessOf } from '../witness.ts'
import { journalOf, watchPeakMemory } from './costs.ts'
import { type SoakMove, soakMove } from './judge-soak.ts'

/** How many moves in a row, and how many of them are failovers; the rejoin after each failover is not counted. */
export interface SoakWishes {
  readonly count: number
  readonly failovers: number
}

/**
 * Moves the running lab's stack to and fro, from green to green, and says what each move cost. The failovers are spread
 * over the switchovers; each loses a site for good (`kill`), and is followed by its rejoin. Throws at the first move
 * that does not end as it should.
 */
export async function soak(
  { lab, stack }: DeployedStack,
  { count, failovers }: SoakWishes,
  say: (line: string) => void,
): Promise<SoakMove[]> {
  const { helm } = lab.programs
  const store = await witnessOf(stack)
  const moves: SoakMove[] = []

  const move = async (inputs: MoveInputs): Promise<void> => {
    const mode = inputs.mode ?? 'switchover'
    let peakOf = (): number => 0
    const onProcess = (pid: number): void => {
      peakOf = watchPeakMemory(pid)
    }
    const { executed } = await reviewedMove(stack, inputs, { githubUrl: lab.githubUrl ?? '', helm, onProcess })
    moves.push(soakMove(mode, executed, peakOf(), await journalOf(store, executed.run)))
    say(`${moves.length}: ${mode} to ${inputs.to} ${executed.verdict}`)
    if (executed.verdict !== 'moved') throw new Error(`${executed.failure?.code}: ${executed.failure?.what}`)
  }

  for (let index = 0; index < count; index++) {
    const { from, to } = endsOf(await untilGreen(stack, helm))
    if (!isFailover(index, { count, failovers })) await move({ to })
    else {
      await loseSite(stack, from, 'kill')
      await move({ to, mode: 'failover', 'accept-data-loss': '15m' }).finally(() => returnSite(stack, from))
      await move({ to: from, mode: 'rejoin' })
    }
  }
  await untilGreen(stack, helm)
  return moves
}

/** Spread evenly; never the first, so that what follows has something to be compared with. */
function isFailover(index: number, { count, failovers }: SoakWishes): boolean {
  return Math.floor(((index + 1) * failovers) / count) > Math.floor((index * failovers) / count) && index > 0
}
