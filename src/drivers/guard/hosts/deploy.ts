import { readFile } from 'node:fs/promises'
import type { SshResult } from '../../../clients/ssh.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { Change, DeployUnit } from '../../../driver/deployment.ts'
import { guardService, reportFile } from '../../../guard/names.ts'
import { reportOf } from '../../../guard/report.ts'
import { HOSTS, type HostsClient } from '../../../platform/hosts/client.ts'
import { readNamedFile } from '../../../stack/named-files.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { readProgram } from '../program.ts'
import type { GuardComponent } from '../spec.ts'
import { witnessKeys } from '../witness-keys.ts'
import { type MachineFile, type MachineParts, machineFiles, sha256Of } from './machine-files.ts'

/** The guard of each machine of a site; ready when the new one itself reports. */
export async function deployToMachines(
  component: GuardComponent,
  site: SiteName,
  context: DriverContext,
): Promise<DeployUnit[]> {
  const { stack } = context
  const hosts = context.platform(HOSTS, site)
  const parts = await partsOf(component, site, context)
  return Object.keys(hosts.machines).map((machine): DeployUnit => {
    const { files, configuration } = machineFiles(component, stack, site, machine, parts)
    const at: OneMachine = { hosts, machine, service: guardService(stack.name) }
    return {
      id: `${component.name}.guard@${site}/${machine}`,
      site,
      needs: [],
      title: `The guard of ${machine} on ${site}: it keeps the machine closed while the site is not the active one`,
      deadline: minutes(5),
      diff: (signal) => differences(at, files, signal),
      apply: (signal) => install(at, files, signal),
      ready: (signal) => reports(at, reportFile(stack.name), configuration, signal),
    }
  })
}

async function partsOf(component: GuardComponent, site: SiteName, context: DriverContext): Promise<MachineParts> {
  const { stack } = context
  const { witnessCredentials, environment = {} } = component.spec
  const keys = await witnessKeys(witnessCredentials, (reference) => context.credential(reference, site))
  const variables = await Promise.all(
    Object.entries(environment).map(async ([name, reference]) => [name, await context.credential(reference, site)]),
  )
  return {
    program: await readProgram(),
    stackFile: await readFile(stack.source.path, 'utf8'),
    authorities:
      typeof stack.witness.spec.endpointCA === 'string'
        ? await readNamedFile(stack, stack.witness.spec.endpointCA)
        : null,
    variables: { ...Object.fromEntries(variables), ...keys },
  }
}

interface OneMachine {
  readonly hosts: HostsClient
  readonly machine: string
  readonly service: string
}

/** Hashes only: one of the files holds the keys of the witness. */
async function differences(at: OneMachine, files: readonly MachineFile[], signal: AbortSignal): Promise<Change[]> {
  const { service } = at
  const hashes = files.map(({ path }) => `sha256sum ${path} 2>/dev/null || echo "- ${path}"`).join('\n')
  const { stdout } = await asRoot(
    at,
    `${hashes}\nsystemctl is-enabled ${service} || :\nsystemctl is-active ${service} || :`,
    signal,
  )
  const lines = stdout.trim().split('\n')
  const changed = files.flatMap((file, index): Change[] => {
    const [found = '-'] = (lines[index] ?? '').split(' ')
    const wanted = sha256Of(file)
    if (found === wanted) return []
    const object = `${at.machine}:${file.path}`
    return found === '-'
      ? [{ kind: 'create', object }]
      : [{ kind: 'update', object, from: short(found), to: short(wanted) }]
  })
  const [enabled = '', active = ''] = lines.slice(files.length)
  const states: readonly (readonly [path: string, found: string, wanted: string])[] = [
    ['enabled', enabled, 'enabled'],
    ['active', active, 'active'],
  ]
  return [
    ...changed,
    ...states.flatMap(([path, found, to]): Change[] =>
      found === to ? [] : [{ kind: 'update', object: `${at.machine}:${service}`, path, from: found, to }],
    ),
  ]
}
const short = (sha256: string): string => `sha256:${sha256.slice(0, 12)}`

/** Each file is replaced in one step, so that a guard that starts during a deploy reads no partial file. */
async function install(at: OneMachine, files: readonly MachineFile[], signal: AbortSignal): Promise<void> {
  for (const { path, mode, content } of files.filter(({ packed }) => packed !== undefined))
    await asRoot(at, putting(path, mode, 'base64 -d | gunzip'), signal, content)
  const { service } = at
  const script = [
    'set -e',
    ...files.filter(({ packed }) => packed === undefined).map(writing),
    'systemctl daemon-reload',
    `systemctl enable --quiet ${service}`,
    `systemctl restart ${service}`,
  ]
  // By standard input: one of the files holds keys, and the list of processes shows arguments.
  await asRoot(at, 'exec sh -s', signal, `${script.join('\n')}\n`)
}

const writing = ({ path, mode, content }: MachineFile): string =>
  putting(path, mode, `printf %s '${Buffer.from(content, 'utf8').toString('base64')}' | base64 -d`)

const putting = (path: string, mode: string, source: string): string =>
  `umask 022; mkdir -p "$(dirname ${path})"; umask 077; ${source} >${path}.new && chmod ${mode} ${path}.new && mv ${path}.new ${path}`

async function asRoot(
  { hosts, machine, service }: OneMachine,
  command: string,
  signal: AbortSignal,
  stdin?: string,
): Promise<SshResult> {
  const result = await hosts.run(machine, command, {
    asRoot: true,
    deadline: seconds(60),
    signal,
    ...(stdin === undefined ? {} : { stdin }),
  })
  if (result.code === 0) return result
  throw codes.error('guard-not-installed', `${machine}: ${result.stderr.trim() || `exit code ${result.code}`}`, {
    retry: 'transient',
    where: `${hosts.site} ${machine} ${service}`,
    next: 'The user of the hosts needs the rights of root there (become: sudo), and the disk needs room.',
  })
}

async function reports(at: OneMachine, path: string, configuration: string, signal: AbortSignal): Promise<Progress> {
  const { service, machine } = at
  const script = `systemctl is-active ${service} || :\nsystemctl show --property=NRestarts --value ${service}\ncat ${path} 2>/dev/null || :`
  const [active = '', restarts = '0', ...text] = (await asRoot(at, script, signal)).stdout.split('\n')
  const report = reportOf(text.join('\n'))
  if (active === 'active' && report?.configuration === configuration)
    return { is: 'done', proof: { decision: report.decision, because: report.because, epoch: report.epoch } }
  return Number(restarts) >= MOST_RESTARTS
    ? {
        is: 'failed',
        code: codes.code['guard-does-not-start'],
        why: `${service} on ${machine} ends again and again`,
        next: `On ${machine}: journalctl -u ${service} -n 20`,
      }
    : { is: 'pending', waitingFor: `the new guard of ${machine} to report` }
}
/** Of the unit by systemd, since the deploy started it: `systemctl restart` sets the count to 0. */
const MOST_RESTARTS = 5
