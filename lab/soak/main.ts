import { parseArgs } from 'node:util'
import { deployedStack } from '../deployed-stack.ts'
import { endWith } from '../end-with.ts'
import { loseSite, returnSite } from '../lose-site.ts'
import { type MoveInputs, reviewedMove } from '../reviewed-move.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { witnessOf } from '../witness.ts'
import { journalOf, watchPeakMemory } from './costs.ts'
import { judgeSoak, type SoakMove, soakTable } from './judge-soak.ts'

/**
 * Many moves in a row on the running lab: `npm run soak -- --count 20 --failovers 2`. The failovers are spread over the switchovers; each loses a
 * site for good (`kill`), and is followed by its rejoin. Exit code 0 only if every move ended and nothing grew.
 */
const { values } = parseArgs({ options: { count: { type: 'string', default: '20' }, failovers: { type: 'string', default: '2' } } })

async function soak(): Promise<number> {
  const { lab, stack } = await deployedStack()
  const { helm } = lab.programs
  const store = await witnessOf(stack)
  const moves: SoakMove[] = []

  const move = async (inputs: MoveInputs): Promise<void> => {
    let peakOf = (): number => 0
    const onProcess = (pid: number): void => {
      peakOf = watchPeakMemory(pid)
    }
    const { executed } = await reviewedMove(stack, inputs, { githubUrl: lab.githubUrl ?? '', helm, onProcess })
    const journal = await journalOf(store, executed.run)
    moves.push({
      mode: inputs.mode ?? 'switchover',
      verdict: executed.verdict,
      durationMs: executed.duration,
      peakMemoryBytes: peakOf(),
      journalEntries: journal.entries,
      journalBytes: journal.bytes,
    })
    process.stdout.write(`${moves.length}: ${inputs.mode ?? 'switchover'} to ${inputs.to} ${executed.verdict}\n`)
    if (executed.verdict !== 'moved') throw new Error(`${executed.failure?.code}: ${executed.failure?.what}`)
  }

  const [count, failovers] = [Number(values.count), Number(values.failovers)]
  for (let index = 0; index < count; index++) {
    const { from, to } = endsOf(await untilGreen(stack, helm))
    if (!isFailover(index, count, failovers)) await move({ to })
    else {
      await loseSite(stack, from, 'kill')
      await move({ to, mode: 'failover', 'accept-data-loss': '15m' }).finally(() => returnSite(stack, from))
      await move({ to: from, mode: 'rejoin' })
    }
  }
  await untilGreen(stack, helm)
  const failures = judgeSoak(moves)
  process.stdout.write(`\n${soakTable(moves)}\n${failures.length === 0 ? 'Nothing grew.' : failures.join('\n')}\n`)
  return failures.length === 0 ? 0 : 1
}

/** Spread evenly; never the first, so that what follows has something to be compared with. */
function isFailover(index: number, count: number, failovers: number): boolean {
  return Math.floor(((index + 1) * failovers) / count) > Math.floor((index * failovers) / count) && index > 0
}

endWith(soak())
