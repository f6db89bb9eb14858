import { beforeAll, expect, test } from '@jest/globals'
import { untilCatalogueNames } from '../../../lab/machines/catalogue.ts'
import { CONSUL_PORT, type LabConsul, presentConsul } from '../../../lab/machines/consul.ts'
import { deployMachines } from '../../../lab/machines/deployment.ts'
import { type MachinesEnvironment, readMachinesEnvironment } from '../../../lab/machines/environment.ts'
import { onMachine } from '../../../lab/machines/machine.ts'
import { runLab } from '../../../lab/run-lab.ts'
import { type MachineName, machineNames, siteNames } from '../../../lab/topology.ts'

/** Nine servers of Consul beside the databases, on machines that have nothing yet. */
beforeAll(async () => {
  await runLab('down')
  await runLab('up', '--stack', 'infisical-on-premise', '--with', 'consul')
}, 30 * 60_000)

const TEN_MINUTES = 600_000
const deploy = (playbook = 'site.yml') => deployMachines('dc-a', { playbook, signal: AbortSignal.timeout(TEN_MINUTES) })

async function labWithConsul(): Promise<MachinesEnvironment & { readonly consul: LabConsul }> {
  const [lab, consul] = [await readMachinesEnvironment(), presentConsul()]
  if (consul === undefined) throw new Error('the lab has no Consul')
  return { ...lab, consul }
}

/** Asks the server on a machine as a program of that machine does, and returns status and body. */
async function asked(machine: MachineName, token: string, path: string, more = ''): Promise<string> {
  const url = `http://127.0.0.1:8500/v1/${path}`
  return onMachine(machine, `curl --silent --write-out ' %{http_code}' -H 'X-Consul-Token: ${token}' ${more} '${url}'`)
}
const OBSERVER = '00000000-0000-4000-8000-000000000005'
const MOVER = '00000000-0000-4000-8000-000000000006'

test(
  'the published roles join three sites by Consul, and the catalogue of each names one writable database, on the active site',
  async () => {
    for (const totals of Object.values(await deploy())) expect(totals).toMatchObject({ failures: 0, unreachable: 0 })
    await untilCatalogueNames('dc-a', await labWithConsul(), AbortSignal.timeout(120_000))
    for (const site of siteNames) {
      const members = await asked(`${site}-app`, OBSERVER, 'agent/members?wan=1')
      expect(members.match(/"Status":1/g)).toHaveLength(machineNames.length)
    }
  },
  2 * TEN_MINUTES,
)

test('the observer reads the keys of Patroni and writes none, the mover writes these and no others, and without a token nothing is seen', async () => {
  const config = 'kv/service/infisical/config'
  const put = '--request PUT --data text'
  expect(await asked('dc-b-app', OBSERVER, config)).toMatch(/"Value".* 200$/)
  expect(await asked('dc-b-app', OBSERVER, 'kv/service/infisical/other', put)).toMatch(/ 403$/)
  expect(await asked('dc-b-app', MOVER, 'kv/service/infisical/other', put)).toBe('true 200')
  expect(await asked('dc-b-app', MOVER, 'kv/service/infisical/other', '--request DELETE')).toBe('true 200')
  expect(await asked('dc-b-app', MOVER, 'kv/service/another/other', put)).toMatch(/ 403$/)
  expect(await asked('dc-b-app', '', 'catalog/services')).toBe('{} 200')
})

test(
  'a second deploy with Consul changes nothing',
  async () => {
    for (const playbook of ['deploy.yml', 'verify.yml']) {
      const changed = Object.values(await deploy(playbook)).map(({ changed }) => changed)
      expect(changed).toEqual(machineNames.map(() => 0))
    }
  },
  2 * TEN_MINUTES,
)

test('a server of Consul answers another machine by TLS alone', async () => {
  const { sites } = await labWithConsul()
  const address = sites.find(({ name }) => name === 'dc-b')?.machines[0]?.address ?? ''
  const ask = (url: string) =>
    onMachine(
      'dc-a-app',
      `curl --silent --insecure --max-time 5 --write-out %{http_code} ${url}/v1/status/leader; true`,
    )
  expect(await ask(`http://${address}:8500`)).toBe('000')
  expect(await ask(`https://${address}:${CONSUL_PORT}`)).toMatch(/^".+:8300"200$/)
})
