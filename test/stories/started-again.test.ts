import { execFileSync } from 'node:child_process'
import { expect, jest, test } from '@jest/globals'
import { type DeployedStack, deployedStack } from '../../lab/deployed-stack.ts'
import { stepInLine } from '../../lab/matrix/cases.ts'
import { mortalMove } from '../../lab/reviewed-move.ts'
import { runStandby } from '../../lab/run-standby.ts'
import { labStacks } from '../../lab/stacks.ts'
import type { SiteName } from '../../lab/topology.ts'
import { endsOf, untilGreen } from '../../lab/until-green.ts'
import type { MoveReport } from '../../src/evidence/reports.ts'

jest.setTimeout(600_000)

const WORKLOAD = 'deployment/infisical-infisical-standalone-infisical'

/** As another controller or a person would. */
function kubectl({ lab, stack }: DeployedStack, site: SiteName, args: readonly string[]): string {
  const kubeconfig = lab.sites.find(({ name }) => name === site)?.kubeconfig ?? ''
  const { namespace } = labStacks[stack.name]
  return execFileSync(lab.programs.kubectl, ['--kubeconfig', kubeconfig, '--namespace', namespace, ...args], {
    encoding: 'utf8',
  })
}

test('a resume starts the application of the new site again that was stopped after the runner died, before users reach it', async () => {
  const deployed = await deployedStack()
  const { lab, stack } = deployed
  const { githubUrl = '', programs } = lab
  const { to } = endsOf(await untilGreen(stack, programs.helm))
  let run: string | undefined
  const { planned, executed } = await mortalMove(
    stack,
    { to },
    {
      githubUrl,
      helm: programs.helm,
      onLine: (line) => {
        run = /^run (\S+) begins/.exec(line)?.[1] ?? run
      },
      dieAt: (line) => stepInLine(line)?.phase === 'SMOKE',
    },
  )
  expect(executed).toBeNull()
  kubectl(deployed, to, ['scale', WORKLOAD, '--replicas=0'])
  kubectl(deployed, to, ['rollout', 'status', WORKLOAD, '--timeout=60s'])
  const resumed = await runStandby<MoveReport>(
    stack,
    'mover',
    ['failover', 'resume', '--run', run ?? '', '--digest', planned.digest],
    {
      helm: programs.helm,
      env: { GITHUB_TOKEN: 'token-of-the-operator', GITHUB_API_URL: githubUrl },
    },
  )
  expect(resumed.result.verdict).toBe('moved')
  expect(kubectl(deployed, to, ['get', WORKLOAD, '-o', 'jsonpath={.spec.replicas} {.status.readyReplicas}'])).toBe(
    '1 1',
  )
  const after = await untilGreen(stack, programs.helm)
  expect(after.activeSite).toBe(to)
})
