import type { MoveReport } from '../../src/operations/reports.ts'
import { ensureCanary } from '../canary.ts'
import { type LabEnvironment, readLabEnvironment } from '../environment.ts'
import type { Credentials } from '../ledger/application-client.ts'
import { type MoveInputs, reviewedMove } from '../reviewed-move.ts'
import { runStandby } from '../run-standby.ts'
import { type LabStack, prepareStack } from '../stacks.ts'

/** The running lab with a deployed stack, and how Standby moves it. */
export interface BenchLab {
  readonly lab: LabEnvironment
  readonly stack: LabStack
  readonly credentials: Credentials
  /** A reviewed move by the bundle; throws unless it moved. */
  move(inputs: MoveInputs): Promise<MoveReport>
}

export async function openBenchLab(): Promise<BenchLab> {
  const lab = await readLabEnvironment()
  const stack = await prepareStack('infisical-kubernetes', lab, new AbortController().signal)
  const deployed = await runStandby(stack, 'deployer', ['deploy'], { helm: lab.programs.helm })
  if (deployed.code !== 0) throw new Error('the stack could not be deployed')
  const credentials = await ensureCanary(stack)
  return {
    lab,
    stack,
    credentials,
    async move(inputs) {
      const { executed } = await reviewedMove(stack, inputs, { githubUrl: lab.githubUrl ?? '', helm: lab.programs.helm })
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
