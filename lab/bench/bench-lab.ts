import type { MoveReport } from '../../src/evidence/reports.ts'
import { type DeployedStack, deployedStack } from '../deployed-stack.ts'
import { type MoveInputs, reviewedMove } from '../reviewed-move.ts'
import type { Wishes } from '../stacks.ts'

/** The running lab with a deployed stack, and how Standby moves it. */
export interface BenchLab extends DeployedStack {
  /** A reviewed move by the bundle; throws unless it moved. */
  move(inputs: MoveInputs): Promise<MoveReport>
}

export async function openBenchLab(wishes: Wishes): Promise<BenchLab> {
  const deployed = await deployedStack(wishes)
  const { lab, stack } = deployed
  return {
    ...deployed,
    async move(inputs) {
      const { executed } = await reviewedMove(stack, inputs, {
        githubUrl: lab.githubUrl ?? '',
        helm: lab.programs.helm,
      })
      if (executed.verdict !== 'moved') throw new Error(`the move ${executed.verdict}: ${executed.failure?.what ?? ''}`)
      return executed
    },
  }
}

/** How long a move was on its way from the begin of one phase to the end of another; milliseconds. */
export function between(report: MoveReport, first: string, last: string): number {
  const of = (name: string) => report.phases.find(({ phase }) => phase === name)
  return Date.parse(of(last)?.endedAt ?? '') - Date.parse(of(first)?.begunAt ?? '')
}
