import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Command } from 'commander'
import { askOverHttp } from '../clients/http-question.ts'
import { systemClock } from '../composition/connect.ts'
import { type CredentialSources, localCredential } from '../composition/credentials.ts'
import { type Component, type SiteName, type Stack, siteOf } from '../domain/stack.ts'
import { guardNamespace } from '../drivers/guard/namespace.ts'
import { GUARD_KIND, guardSpecOf, rulesOf } from '../drivers/guard/spec.ts'
import { conditionalStores, drivers, guardCredentials, witnesses } from '../drivers/registry.ts'
import { asStandbyError, inputError } from '../errors/standby-error.ts'
import { closeMachine } from '../guard/close-machine.ts'
import { closeSite, type Door } from '../guard/close-site.ts'
import { REPORT_DEADLINE } from '../guard/closing-time.ts'
import { keepGates } from '../guard/gate-units.ts'
import { type Guard, guardSite } from '../guard/guard-site.ts'
import { unitsOnMachine } from '../guard/machine-units.ts'
import { memoryIn } from '../guard/memory.ts'
import { CONFIGURATION, GUARD, reportFile, runFolder, WITNESS_AUTHORITIES } from '../guard/names.ts'
import { guardContext } from '../guard/reach.ts'
import { type GuardReport, REPORT_KEY } from '../guard/report.ts'
import { serveGate } from '../guard/start-gate.ts'
import { HOSTS } from '../platform/hosts/client.ts'
import { openLocalHost } from '../platform/hosts/local-host.ts'
import { hostsPlatform } from '../platform/hosts/platform.ts'
import { servicesOn } from '../platform/hosts/services.ts'
import { openKubernetes } from '../platform/kubernetes/client/open.ts'
import { inClusterKubeconfig } from '../platform/kubernetes/in-cluster.ts'
import { KUBERNETES } from '../platform/kubernetes/key.ts'
import { kubernetesPlatform } from '../platform/kubernetes/platform.ts'
import type { Log } from '../runtime/log.ts'
import { masking as newMasking } from '../runtime/masking.ts'
import { parseStack } from '../stack/load-stack.ts'
import { harmlessLogLine } from '../values/harmless-text.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { errorText } from './terminal.ts'

interface GuardOptions {
  readonly site: string
  readonly on: string
  readonly kubeconfig?: string
  readonly machine?: string
  readonly memory?: string
}

/** `standby guard`: runs on a site, until it is ended; a deploy installs it there. */
export function addGuard(program: Command): void {
  program
    .command('guard')
    .description(
      'watch the witness from inside a site, and keep the site closed while it is not the active one; a deploy installs it',
    )
    .requiredOption('--site <site>', 'the site that it runs on')
    .option('--on <platform>', 'what it closes: kubernetes, or hosts (the machine that it runs on)', 'kubernetes')
    .option('--kubeconfig <file>', "of its own site; inside a pod its ServiceAccount's")
    .option('--machine <machine>', 'on hosts: the machine that it runs on, by its name in the stack file')
    .option('--memory <folder>', 'where it keeps what it knows over its own crashes; must not survive a boot')
    .action(async (options: GuardOptions) => {
      const ending = new AbortController()
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => ending.abort())
      try {
        await runGuard(program.opts<{ stack: string }>().stack, options, ending.signal)
      } catch (thrown) {
        process.stderr.write(`${errorText(asStandbyError(thrown))}\n`)
        process.exitCode = 1
      }
      // Kept-alive connections must not hold the pod.
      process.exit()
    })
}

async function runGuard(path: string, options: GuardOptions, signal: AbortSignal): Promise<void> {
  const text = await readFile(path, 'utf8')
  // Only the text: the guard does not have the values and charts that the file names.
  const stack = parseStack(text, basename(path), { drivers, witnesses })
  const site = stack.sites.find(({ name }) => name === options.site)?.name
  if (site === undefined) throw inputError('unknown-site', `${stack.name} has no site ${options.site}`)
  const component = stack.components.find(
    ({ driver, spec }) => driver === GUARD_KIND && (spec.on ?? KUBERNETES.platform) === options.on,
  )
  if (component === undefined)
    throw inputError(
      'guard-not-declared',
      `${stack.name} declares no component with the driver ${GUARD_KIND} on ${options.on}`,
    )
  const masking = newMasking()
  const sources = { env: process.env, directory: dirname(path), mask: masking.add }
  const log = guardLog(masking.masked)
  const store = await openWitness(stack, path, sources, signal)
  const { every, ...rules } = rulesOf(guardSpecOf(component))
  const around: Around = { stack, site, component, store, log, signal, sources, options }
  const closing = options.on === HOSTS.platform ? ofMachine(around) : ofCluster(around)
  log.info(`guarding ${site} of ${stack.name}${options.machine === undefined ? '' : ` on ${options.machine}`}`)
  await guardSite({
    stack,
    site,
    rules,
    every,
    store,
    uptime: () => uptime() * 1_000,
    random: Math.random,
    memory: memoryIn(options.memory),
    configuration: process.env[CONFIGURATION] ?? '',
    ...closing,
  })
}

interface Around {
  readonly stack: Stack
  readonly site: SiteName
  readonly component: Component
  readonly store: ConditionalStore
  readonly log: Log
  readonly signal: AbortSignal
  readonly sources: CredentialSources
  readonly options: GuardOptions
}
/** What depends on the platform that the guard closes. */
type ClosingPart = Pick<Guard, 'context' | 'close' | 'serve' | 'publish'>

async function openWitness(
  stack: Stack,
  path: string,
  sources: CredentialSources,
  signal: AbortSignal,
): Promise<ConditionalStore> {
  const { driver, spec } = stack.witness
  const openStore = conditionalStores[driver]
  if (openStore === undefined) throw inputError('unknown-witness', `${driver} is no witness`)
  // A deploy puts the file that the stack file names as `endpointCA` next to it, under a fixed name.
  const authorities = spec.endpointCA === undefined ? {} : { endpointCA: WITNESS_AUTHORITIES }
  return openStore(
    { ...spec, ...guardCredentials[driver], ...authorities },
    {
      stack: stack.name,
      credential: async (reference) => localCredential(reference, sources),
      login: () => Promise.reject(inputError('credential-missing', 'a guard has its own keys')),
      file: (name) => readFile(join(dirname(path), name), 'utf8'),
      signal,
    },
  )
}

function ofCluster({ stack, site, component, store, log, signal, options }: Around): ClosingPart {
  const kubeconfig = options.kubeconfig ?? inClusterKubeconfig(process.env)
  if (kubeconfig === null) throw inputError('input-missing', 'this is no pod, and --kubeconfig is not given')
  const kubernetes = openKubernetes({ site, kubeconfig, signal })
  const platform = { name: KUBERNETES.platform, client: kubernetes }
  const context = guardContext({ stack, site, platform, store, clock: systemClock, log, signal })
  const { identify } = kubernetesPlatform.reach(siteOf(stack, site), context)
  const door: Door = { stack, site, drivers, context, identify, guard: component }
  const report = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    plural: 'configmaps',
    namespace: guardNamespace(stack.name),
    name: GUARD,
  }
  return {
    context,
    close: (activeSite, mayClose) => closeSite(door, activeSite, mayClose),
    publish: async (said) => {
      await kubernetes.patch(report, { data: { [REPORT_KEY]: JSON.stringify(said) } }, { deadline: REPORT_DEADLINE })
    },
  }
}

function ofMachine({ stack, site, store, log, signal, sources, options: { machine } }: Around): ClosingPart {
  if (machine === undefined) throw inputError('input-missing', 'a guard on hosts needs --machine')
  const host = openLocalHost(siteOf(stack, site), machine)
  const context = guardContext({
    stack,
    site,
    platform: { name: HOSTS.platform, client: host },
    store,
    clock: systemClock,
    log,
    signal,
    own: {
      credential: async (reference) => localCredential(reference, sources),
      http: (request) => askOverHttp(request, [signal]),
    },
  })
  const { identify } = hostsPlatform.reach(siteOf(stack, site), context)
  const units = unitsOnMachine(stack, site, machine, drivers, context)
  const services = servicesOn(host, machine)
  const names = units.map(({ service }) => service)
  return {
    context,
    close: (_, mayClose) => closeMachine({ site, units, context, identify, services }, mayClose),
    serve: (decide, ending) =>
      serveGate({ folder: runFolder(stack.name), units, log, clock: systemClock }, decide, ending),
    publish: async (said) => {
      // On another machine than the declared one nothing is written: the report says which one it is.
      const { isDeclared } = await identify(signal)
      const gatesMissing = isDeclared ? await keepGates(stack.name, names, services) : []
      writeReport(reportFile(stack.name), { ...said, ...(gatesMissing.length === 0 ? {} : { gatesMissing }) })
    },
  }
}

function writeReport(path: string, report: GuardReport): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.new`, JSON.stringify(report))
  renameSync(`${path}.new`, path)
}

/** Lines with the time of day, for comparison with the logs of the database and the application. */
function guardLog(masked: (text: string) => string): Log {
  const write = (line: string): void => {
    process.stdout.write(`${new Date().toISOString()} ${harmlessLogLine(masked(line))}\n`)
  }
  return {
    info: write,
    warning: (line) => write(`! ${line}`),
    debug: (line) => (process.env.STANDBY_DEBUG === undefined ? undefined : write(`. ${line}`)),
  }
}
