import { beforeAll, expect, jest, test } from '@jest/globals'
import {
  clusterAt,
  leaderOf,
  type PatroniClusters,
  patroniClustersIn,
} from '../../../lab/bench/machines/patroni-clusters.ts'
import { type DeployedMachines, deployedMachines } from '../../../lab/machines/deployed.ts'
import { PATRONI_LOGIN } from '../../../lab/machines/secrets.ts'
import { MACHINES_CASES } from '../../../lab/matrix/machines/cases.ts'
import { judgeMachinesCase } from '../../../lab/matrix/machines/judge-machines-case.ts'
import { runMachinesCase } from '../../../lab/matrix/machines/run-machines-case.ts'
import { reviewedMove } from '../../../lab/reviewed-move.ts'
import type { SiteName } from '../../../lab/topology.ts'
import { endsOf, untilGreen } from '../../../lab/until-green.ts'

jest.setTimeout(1_800_000)

let machines: DeployedMachines
beforeAll(async () => {
  machines = await deployedMachines(AbortSignal.timeout(900_000))
}, 900_000)

/** As a person or Patroni itself does it: another member of the site becomes its primary. Returns its name. */
async function failOverInside(site: SiteName, { login, ...clusters }: PatroniClusters): Promise<string> {
  const cluster = clusterAt({ login, ...clusters }, site)
  const leader = await leaderOf(cluster)
  const candidate = cluster.members.find(({ name }) => name !== leader.name)
  if (candidate === undefined) throw new Error(`${site} has one member alone`)
  const answer = await fetch(`${leader.restApi}/failover`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${btoa(`${login.user}:${login.password}`)}`,
    },
    body: JSON.stringify({ candidate: candidate.name }),
    signal: AbortSignal.timeout(60_000),
  })
  if (!answer.ok) throw new Error(`Patroni answers ${answer.status}: ${await answer.text()}`)
  return candidate.name
}

test('a plan is stale once Patroni has failed over inside the active site: nothing is changed, and the site goes on with its new primary', async () => {
  const { lab, stack } = machines
  const clusters = await patroniClustersIn(stack.path, PATRONI_LOGIN)
  const { from, to } = endsOf(await untilGreen(stack))
  let elected = ''
  const { executed } = await reviewedMove(
    stack,
    { to, mode: 'switchover' },
    {
      githubUrl: lab.githubUrl ?? '',
      beforeApproval: async () => {
        elected = await failOverInside(from, clusters)
      },
    },
  )
  expect(executed).toMatchObject({ verdict: 'refused', failure: { code: 'plan-stale' } })
  expect(executed.failure?.what).toContain(`is ${elected} now`)
  const after = await untilGreen(stack)
  expect(after.activeSite).toBe(from)
  expect((await leaderOf(clusterAt(clusters, from))).name).toBe(elected)
})

test('a move during which the primary of its site crashes and Patroni elects another one ends or goes back, loses nothing, and has one writer', async () => {
  const one = MACHINES_CASES.find(({ name }) => name === 'local-failover')
  if (one === undefined) throw new Error('the matrix has no local failover')
  const facts = await runMachinesCase(one, machines, (line) => process.stdout.write(`${line}\n`))
  const { failures, figures } = judgeMachinesCase(facts)
  process.stdout.write(`${figures}\n`)
  expect(failures).toEqual([])
})
