import type { MoveReport } from '../../../src/evidence/reports.ts'
import { deployedMachines } from '../../machines/deployed.ts'
import { onMachine } from '../../machines/machine.ts'
import { patientMove } from '../../machines/patient-move.ts'
import { PATRONI_LOGIN } from '../../machines/secrets.ts'
import type { PreparedStack } from '../../prepared-stack.ts'
import type { MoveInputs } from '../../reviewed-move.ts'
import type { SiteName } from '../../topology.ts'
import { type PatroniClusters, patroniClustersIn } from './patroni-clusters.ts'

/** The running lab of machines with the published stack, deployed and green. */
export interface MachinesBench {
  readonly stack: PreparedStack
  readonly clusters: PatroniClusters
  /** A reviewed move by the bundle; throws unless it moved. */
  move(inputs: MoveInputs): Promise<MoveReport>
  /** A command of Patroni's own client, on a database machine of a site. */
  patronictl(site: SiteName, ...args: readonly string[]): Promise<string>
}

export async function openMachinesBench(): Promise<MachinesBench> {
  const { lab, stack } = await deployedMachines(new AbortController().signal)
  return {
    stack,
    clusters: await patroniClustersIn(stack.path, PATRONI_LOGIN),
    async move(inputs) {
      const { executed } = await patientMove(stack, inputs, { githubUrl: lab.githubUrl ?? '' })
      if (executed.verdict !== 'moved') throw new Error(`the move ${executed.verdict}: ${executed.failure?.what ?? ''}`)
      return executed
    },
    patronictl: (site, ...args) =>
      onMachine(
        `${site}-db1`,
        `sudo /opt/patroni/bin/patronictl -c /etc/patroni/patroni.yml ${args.join(' ')}`,
        120_000,
      ),
  }
}
