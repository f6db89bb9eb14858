import { expect, jest, test } from '@jest/globals'
import { deployMachines } from '../../../lab/machines/deployment.ts'
import { onMachine } from '../../../lab/machines/machine.ts'
import { addressOf, type MachineName, machineNames, machinesOf, siteNames } from '../../../lab/topology.ts'
import { until } from '../../../lab/until.ts'

/**
 * About 60 tasks over nine machines, twice: two minutes each on two quiet cores, and several times that on busy ones.
 */
jest.setTimeout(1_800_000)

const deploy = (playbook = 'site.yml') => deployMachines('dc-a', { playbook, signal: AbortSignal.timeout(600_000) })

interface Member {
  readonly role: string
  readonly state: string
  readonly replication_state?: string
}

async function memberOn(machine: MachineName): Promise<Member> {
  const answer = await fetch(`http://${addressOf[machine]}:8008/patroni`, { signal: AbortSignal.timeout(5_000) })
  return (await answer.json()) as Member
}

const membersOf = (site: (typeof siteNames)[number]) =>
  Promise.all([memberOn(`${site}-db1`), memberOn(`${site}-db2`)] as const)

const psql = (machine: MachineName, sql: string) =>
  onMachine(machine, `cd / && sudo -u postgres psql -X -At infisical -c "${sql}"`)

test('the published roles make the stack on bare machines: one writable site, two that follow it, the application on the first alone', async () => {
  const first = await deploy()
  expect(Object.keys(first).sort()).toEqual([...machineNames].sort())
  for (const totals of Object.values(first)) expect(totals).toMatchObject({ failures: 0, unreachable: 0 })

  const roles = await Promise.all(siteNames.map(async (site) => (await membersOf(site)).map(({ role }) => role).sort()))
  expect(roles).toEqual([
    ['primary', 'replica'],
    ['replica', 'standby_leader'],
    ['replica', 'standby_leader'],
  ])

  const writable = await Promise.all(
    siteNames.flatMap((site) =>
      machinesOf(site)
        .slice(0, 2)
        .map((machine) => psql(machine, 'SELECT NOT pg_is_in_recovery()')),
    ),
  )
  expect(writable.filter((answer) => answer.trim() === 't')).toHaveLength(1)

  const states = await Promise.all(
    siteNames.map((site) => onMachine(`${site}-app`, 'systemctl is-active infisical || true')),
  )
  expect(states).toEqual(['active\n', 'inactive\n', 'inactive\n'])
  const status = await fetch(`http://${addressOf['dc-a-app']}:8080/api/status`)
  expect(status.status).toBe(200)
})

test('what is written in the active site arrives in the members of the others', async () => {
  const primary = (await memberOn('dc-a-db1')).role === 'primary' ? 'dc-a-db1' : 'dc-a-db2'
  await psql(primary, 'CREATE TABLE arrived AS SELECT 1 AS n')
  for (const machine of ['dc-b-db1', 'dc-b-db2', 'dc-c-db1', 'dc-c-db2'] as const)
    await until(`the table on ${machine}`, { deadline: 20_000, every: 300 }, async () =>
      (await psql(machine, "SELECT count(*) FROM pg_class WHERE relname = 'arrived'")).startsWith('1'),
    )
  await psql(primary, 'DROP TABLE arrived')
})

test('Redis follows over the sites, and no passive site may take over by itself', async () => {
  const redis = (machine: MachineName, ...words: string[]) =>
    onMachine(machine, `REDISCLI_AUTH=lab-redis redis-cli -h ${addressOf[machine]} ${words.join(' ')}`)
  expect(await redis('dc-a-app', 'info', 'replication')).toContain('connected_slaves:2')
  for (const machine of ['dc-b-app', 'dc-c-app'] as const)
    expect(await redis(machine, 'info', 'replication')).toMatch(/role:slave[\s\S]*slave_priority:0/)
  expect(await redis('dc-c-app', '-p', '26379', 'sentinel', 'ckquorum', 'infisical')).toContain('OK 3 usable Sentinels')
})

test('a second deploy changes nothing, and starts no Patroni that was stopped', async () => {
  await onMachine('dc-c-db2', 'sudo systemctl stop patroni')
  expect(await changesOf('deploy.yml')).toEqual(Object.fromEntries(machineNames.map((machine) => [machine, 0])))
  expect(await onMachine('dc-c-db2', 'systemctl is-active patroni || true')).toBe('inactive\n')
  await onMachine('dc-c-db2', 'sudo systemctl start patroni')
})

test('a second look at what was deployed changes nothing', async () => {
  expect(new Set(Object.values(await changesOf('verify.yml')))).toEqual(new Set([0]))
})

async function changesOf(playbook: string): Promise<Record<string, number>> {
  const totals = await deploy(playbook)
  return Object.fromEntries(Object.entries(totals).map(([machine, { changed }]) => [machine, changed]))
}
