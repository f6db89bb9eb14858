import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { type DeployedStack, deployedStack } from '../../lab/deployed-stack.ts'
import { type LabNginx, type LabNginxAndDns, readLabEnvironment } from '../../lab/environment.ts'
import { execute } from '../../lab/execute.ts'
import { readAllIds } from '../../lab/ledger/application-client.ts'
import { judgeLedger } from '../../lab/ledger/judge-ledger.ts'
import { startLedgerProcess } from '../../lab/ledger/ledger-process.ts'
import { reviewedMove } from '../../lab/reviewed-move.ts'
import { runLab } from '../../lab/run-lab.ts'
import { until } from '../../lab/until.ts'
import { endsOf, untilGreen } from '../../lab/until-green.ts'
import { askOverHttp } from '../../src/clients/http-question.ts'
import { type SshRunner, sshRunner } from '../../src/clients/ssh.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

jest.setTimeout(600_000)

let doors: LabNginxAndDns
let deployed: DeployedStack
const connections = new Map<string, SshRunner>()

beforeAll(async () => {
  await runLab('up', '--nginx-and-dns')
  const { nginxAndDns } = await readLabEnvironment()
  if (nginxAndDns === undefined) throw new Error('the lab came up without NGINX hosts')
  doors = nginxAndDns
  // As on the day of the first deploy, whatever an earlier run of this test has left: the deploy opens closed doors.
  await Promise.all([...doors.nginx.map(closeByHand), closeRecord()])
  deployed = await deployedStack({ publishedSize: true, nginxAndDns: true })
})
afterAll(() => Promise.all([...connections.values()].map((connection) => connection.close())))

test('a switchover takes the users of two NGINX hosts and of a DNS record along, loses none of their writes, and holds after a reload, a power cut and a restart of the name server', async () => {
  const { lab, stack, credentials } = deployed
  const { helm } = lab.programs
  const { from, to } = endsOf(await untilGreen(stack, helm))
  expect(await leadsTo()).toEqual(everyDoor(from))
  const ledger = await startLedgerProcess({
    addresses: doors.nginx.map(({ url }) => url),
    credentials,
    intervalMs: 50,
    file: join(temporaryFolder(), 'ledger.jsonl'),
  })
  try {
    const { executed } = await reviewedMove(stack, { to }, { githubUrl: lab.githubUrl ?? '', helm })
    expect(executed).toMatchObject({ verdict: 'moved', failure: null })
    expect(await leadsTo()).toEqual(everyDoor(to))
    // Users write at the new site, through NGINX, before the ledger ends.
    const written = async () =>
      (await ledger.entries()).some(({ outcome, site }) => outcome === 'acknowledged' && site === to)
    await until(`an acknowledged write at ${to}`, { deadline: 15_000, every: 200 }, written)
  } finally {
    await ledger.stop()
  }
  const verdict = judgeLedger(await ledger.entries(), await readAllIds(doors.nginx[0]?.url ?? '', credentials))
  expect(verdict).toMatchObject({ lostAcknowledged: [], ghosts: [] })

  const [reloaded, restarted] = doors.nginx as readonly [LabNginx, LabNginx]
  await on(reloaded, 'sudo -n /usr/sbin/nginx -s reload')
  await runLab('outage', restarted.name, '--how', 'kill')
  await runLab('outage', 'dns', '--how', 'kill')
  await runLab('heal', restarted.name)
  await runLab('heal', 'dns')
  expect(await leadsTo()).toEqual(everyDoor(to))
  expect(await untilGreen(stack, helm)).toMatchObject({ activeSite: to })
})

const everyDoor = (site: string): Record<string, string> => ({
  'nginx-1': site,
  'nginx-2': site,
  dns: doors.dns.addresses[site] ?? '',
})

/** What a user sees: the site that answers through each NGINX, and the address that the name server gives. */
async function leadsTo(): Promise<Record<string, string>> {
  const seen = doors.nginx.map(async ({ name, url }) => {
    const { status, headers } = await askOverHttp({ method: 'GET', url: `${url}/api/status`, deadline: 10_000 })
    return [name, headers['x-standby-site'] ?? `nothing (${status})`] as const
  })
  const { server, name } = doors.dns
  const asked = execute('dig', [`@${server}`, name, 'A', '+short', '+time=2'], { deadline: 15_000 })
  return { ...Object.fromEntries(await Promise.all(seen)), dns: (await asked).trim() }
}

async function on(host: LabNginx, line: string): Promise<void> {
  const connection = connections.get(host.name) ?? sshRunner(host)
  connections.set(host.name, connection)
  const { code, stdout, stderr } = await connection.run(line)
  if (code !== 0) throw new Error(`${host.name}: ${stderr || stdout}`)
}

const closeByHand = (host: LabNginx): Promise<void> => {
  const line = `map "" $${host.variable} { default ${host.closed}; }`
  return on(host, `echo '${line}' > ${host.file} && sudo -n /usr/sbin/nginx -s reload`)
}

async function closeRecord(): Promise<void> {
  const { url, token, authorities, closed, ttl } = doors.dns
  const { status } = await askOverHttp({
    method: 'PUT',
    url,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ content: closed, ttl }),
    authority: authorities,
    deadline: 10_000,
  })
  if (status !== 200) throw new Error(`the bridge answers ${status}`)
}
