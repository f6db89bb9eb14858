import { existsSync } from 'node:fs'
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { programIsCached } from './binaries/build.ts'
import { withCommandLock } from './command-lock.ts'
import { bringDown } from './down.ts'
import { environmentPath } from './environment.ts'
import { type LabKind, presentKind, STACK_ON_MACHINES, WITH, type With } from './lab-kind.ts'
import { presentConsul } from './machines/consul.ts'
import { machinesEnvironmentPath } from './machines/environment.ts'
import { bringMachinesUp } from './machines/up.ts'
import { SLOW, type Slowness } from './network/slow-link.ts'
import { heal, type OutageKind, outageKinds, strike } from './outage.ts'
import { hostsOf, presentHosts } from './present.ts'
import { type Progress, type Start, seconds, startProgress } from './progress.ts'
import { installMissing, isWarm, missingPrograms, readMachineFacts, unmetRequirements } from './requirements.ts'
import { openShell } from './shell.ts'
import { readStatus, statusTable } from './status.ts'
import { addressOf, bridge, type HostName, hostNames, machineNames, SITE_COUNTS, siteNames } from './topology.ts'
import { bringUp } from './up.ts'

class Unmet extends Error {}

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () =>
    interrupted.abort(new Error(`lab-interrupted: ${name}; the same command continues where it was`)),
  )

interface UpOptions {
  readonly sites: string
  readonly nginxAndDns?: boolean
  readonly stack?: typeof STACK_ON_MACHINES
  readonly with?: With
}

async function up({ sites, nginxAndDns = false, stack, with: also }: UpOptions): Promise<void> {
  const kind: LabKind = stack === undefined ? 'kubernetes' : 'machines'
  const consul = also === 'consul'
  if (consul && kind !== 'machines') throw new Unmet(`--with consul: only together with --stack ${STACK_ON_MACHINES}`)
  assertOfKind(kind)
  // Machines get the program when they boot.
  if (consul && kindIsPresent(kind) && presentConsul() === undefined)
    throw new Unmet('The lab runs without Consul. Remove it first:  npm run lab -- down')
  const unmet = unmetRequirements(await readMachineFacts(kind))
  if (unmet.length > 0) throw new Unmet(unmet.join('\n'))
  await command('lab up', kind, async (progress) => {
    if (startOf(kind) === 'cold') progress.note(FIRST_START[kind])
    const missing = missingPrograms(kind)
    if (missing.length > 0) {
      const onLine = (line: string) => progress.detail('apt packages', line)
      await progress.step('apt packages', () => installMissing(missing, onLine, interrupted.signal))
    }
    if (consul && !programIsCached('consul')) progress.note(FIRST_CONSUL)
    if (kind === 'machines') await bringMachinesUp(progress, interrupted.signal, { consul })
    else await bringUp({ sites: Number(sites), nginxAndDns }, progress, interrupted.signal)
  })
  process.stdout.write(`${statusTable(await readStatus())}\n`)
}

const FIRST_START: Readonly<Record<LabKind, string>> = {
  kubernetes: 'First start: builds Kubernetes, CloudNativePG and the rest once, about 20 minutes on two cores.',
  machines: 'First start: makes the Debian of the machines once, about 3 minutes on two cores.',
}

const FIRST_CONSUL = 'Builds Consul once, about 15 minutes on two cores.'

/** Both kinds have the same addresses, load balancers and object store. */
function assertOfKind(kind: LabKind): void {
  const present = presentKind()
  if (present === null || kindIsPresent(kind)) return
  throw new Unmet(
    `The lab runs ${present === 'machines' ? `machines (${STACK_ON_MACHINES})` : 'Kubernetes'}; one lab fits on this computer. Remove it first:  npm run lab -- down`,
  )
}

const kindIsPresent = (kind: LabKind): boolean => presentKind() === kind

/** Runs under the command lock with live progress, and says how long the whole took. */
async function command(name: string, kind: LabKind, run: (progress: Progress) => Promise<void>): Promise<void> {
  needsRoot()
  await withCommandLock(async () => {
    const progress = startProgress(kind === 'machines' ? `machines ${startOf(kind)}` : startOf(kind))
    try {
      await progress.step(name, () => run(progress))
    } finally {
      progress.end()
    }
  })
}

function startOf(kind: LabKind): Start {
  if (existsSync(kind === 'machines' ? machinesEnvironmentPath : environmentPath)) return 'running'
  return isWarm(kind) ? 'warm' : 'cold'
}

const kindNow = (): LabKind => presentKind() ?? 'kubernetes'

function needsRoot(): void {
  if (process.getuid?.() !== 0) throw new Unmet('The lab creates network namespaces and mounts: run it as root.')
}

async function status(options: { json?: true }): Promise<void> {
  const hosts = await readStatus()
  process.stdout.write(options.json === true ? `${JSON.stringify(hosts, null, 2)}\n` : `${statusTable(hosts)}\n`)
  if (hosts.some((host) => host.state !== 'up' && !(host.host === 'github' && host.state === 'down')))
    process.exitCode = 1
}

type OutageOptions = { readonly how: OutageKind; readonly only?: HostName | 'runner' } & Omit<Slowness, 'only'>

async function outage(host: HostName, { how, only, ...slowness }: OutageOptions): Promise<void> {
  needsRoot()
  assertPresent(host)
  const since = Date.now()
  const toHost = only === undefined || only === 'runner' ? null : addressOf[only]
  const to = only === 'runner' ? bridge.address : toHost
  await command(`lab outage ${host}`, kindNow(), async () => {
    await Promise.all(hostsOf(host).map((one) => strike(one, how, interrupted.signal, { ...slowness, only: to })))
  })
  process.stdout.write(
    `${host}: ${how} after ${seconds(Date.now() - since)}. Give it back:  npm run lab -- heal ${host}\n`,
  )
}

const numberBetween =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= least && value <= most))
      throw new InvalidArgumentError(`Give a number from ${least} to ${most}.`)
    return value
  }

/** A site that was never started has no link to cut, and nothing to give back. */
function assertPresent(host: HostName): void {
  if (hostsOf(host).every((one) => presentHosts().includes(one))) return
  throw new Unmet(`This lab has no ${host}. Start it:  npm run lab -- up ${optionsFor(host)}`)
}

function optionsFor(host: HostName): string {
  if ((machineNames as readonly HostName[]).includes(host)) return `--stack ${STACK_ON_MACHINES}`
  return (siteNames as readonly HostName[]).includes(host) ? '--sites 3' : '--nginx-and-dns'
}

const host = () => new Argument('<host>', 'a site, a machine, or another host of the lab').choices(hostNames)
const program = new Command('lab').description('Real data centres on one machine.')
program
  .command('up')
  .description('start everything, or what is missing; builds it first if need be')
  .addOption(new Option('--sites <count>', 'how many data centres').choices(SITE_COUNTS.map(String)).default('2'))
  .addOption(
    new Option(
      '--nginx-and-dns',
      'two NGINX hosts and a DNS server too; a lab that has them keeps them until `down`',
    ).conflicts('stack'),
  )
  .addOption(
    new Option(
      '--stack <name>',
      'only what this published stack needs: three sites of machines, no Kubernetes',
    ).choices([STACK_ON_MACHINES]),
  )
  .addOption(
    new Option(
      '--with <part>',
      'for a stack on machines: the program of Consul on each of them; a lab that has it keeps it until `down`',
    ).choices(WITH),
  )
  .action(up)
program
  .command('down')
  .description('remove everything but the cache')
  .action(() => command('lab down', kindNow(), bringDown))
program.command('status').description('what runs; exit code 1 unless all is up').option('--json').action(status)
program
  .command('outage')
  .description('take a site away')
  .addArgument(host())
  .addOption(
    new Option(
      '--how <kind>',
      'lose its packets, stop its processes, kill them, kill them and answer 503, narrow its link, or make the way to it slow',
    )
      .choices(outageKinds)
      .default('cut'),
  )
  .option('--delay <ms>', 'slow: of each packet in each direction', numberBetween(0, 60_000), SLOW.delay)
  .option('--loss <percent>', 'slow: of the packets in each direction', numberBetween(0, 100), SLOW.loss)
  .option(
    '--seed <number>',
    'slow: chooses the packets that are lost',
    numberBetween(0, Number.MAX_SAFE_INTEGER),
    SLOW.seed,
  )
  .addOption(new Option('--only <host>', 'slow: for this host alone').choices(['runner', ...hostNames]))
  .action(outage)
program
  .command('heal')
  .description('give it back, whatever was done to it')
  .addArgument(host())
  .action((name: HostName) => {
    assertPresent(name)
    return command(`lab heal ${name}`, kindNow(), async (progress) => {
      await Promise.all(hostsOf(name).map((one) => heal(one, progress, interrupted.signal)))
    })
  })
program
  .command('shell')
  .description('a shell inside, with kubectl for a site')
  .addArgument(host())
  .action(async (name: HostName) => {
    process.exitCode = await openShell(name)
  })

try {
  await program.parseAsync()
} catch (error) {
  const reason: unknown = interrupted.signal.aborted ? interrupted.signal.reason : error
  process.stderr.write(`${reason instanceof Error ? reason.message : reason}\n`)
  // 2: nothing was changed, the machine must change first.
  process.exitCode = error instanceof Unmet ? 2 : 1
}
