import { readFile } from 'node:fs/promises'
import { uptime } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Command } from 'commander'
import { systemClock } from '../composition/connect.ts'
import { localCredential } from '../composition/credentials.ts'
import { siteOf } from '../domain/stack.ts'
import { guardNamespace } from '../drivers/guard/namespace.ts'
import { GUARD_KIND, guardSpecOf, rulesOf } from '../drivers/guard/spec.ts'
import { conditionalStores, drivers, witnesses } from '../drivers/registry.ts'
import { asStandbyError, inputError } from '../errors/standby-error.ts'
import { REPORT_DEADLINE } from '../guard/closing-time.ts'
import { guardSite } from '../guard/guard-site.ts'
import { memoryIn } from '../guard/memory.ts'
import {
  CONFIGURATION,
  GUARD,
  WITNESS_ACCESS_KEY_ID,
  WITNESS_AUTHORITIES,
  WITNESS_SECRET_ACCESS_KEY,
} from '../guard/names.ts'
import { guardContext } from '../guard/reach.ts'
import { REPORT_KEY } from '../guard/report.ts'
import { openKubernetes } from '../platform/kubernetes/client/open.ts'
import { inClusterKubeconfig } from '../platform/kubernetes/in-cluster.ts'
import { KUBERNETES } from '../platform/kubernetes/key.ts'
import { kubernetesPlatform } from '../platform/kubernetes/platform.ts'
import type { Log } from '../runtime/log.ts'
import { masking as newMasking } from '../runtime/masking.ts'
import { parseStack } from '../stack/load-stack.ts'
import { harmlessLogLine } from '../values/harmless-text.ts'
import { errorText } from './terminal.ts'

interface GuardOptions {
  readonly site: string
  readonly kubeconfig?: string
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
    .option('--kubeconfig <file>', "of its own site; inside a pod its ServiceAccount's")
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
  const component = stack.components.find(({ driver }) => driver === GUARD_KIND)
  if (component === undefined)
    throw inputError('guard-not-declared', `${stack.name} declares no component with the driver ${GUARD_KIND}`)
  const spec = guardSpecOf(component)
  const kubeconfig = options.kubeconfig ?? inClusterKubeconfig(process.env)
  if (kubeconfig === null) throw inputError('input-missing', 'this is no pod, and --kubeconfig is not given')
  const openStore = conditionalStores[stack.witness.driver]
  if (openStore === undefined) throw inputError('unknown-witness', `${stack.witness.driver} is no witness`)

  const masking = newMasking()
  const sources = { env: process.env, directory: stack.source.directory, mask: masking.add }
  const log = podLog(masking.masked)
  const credentials = {
    accessKeyId: { env: WITNESS_ACCESS_KEY_ID },
    secretAccessKey: { env: WITNESS_SECRET_ACCESS_KEY },
  }
  // A deploy puts the file that the stack file names as `endpointCA` next to it, under a fixed name.
  const authorities = stack.witness.spec.endpointCA === undefined ? {} : { endpointCA: WITNESS_AUTHORITIES }
  const store = await openStore(
    { ...stack.witness.spec, credentials, ...authorities },
    {
      stack: stack.name,
      credential: async (reference) => localCredential(reference, sources),
      login: () => Promise.reject(inputError('credential-missing', 'a guard has its own keys')),
      file: (name) => readFile(join(dirname(path), name), 'utf8'),
      signal,
    },
  )
  const kubernetes = openKubernetes({ site, kubeconfig, signal })
  const report = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    plural: 'configmaps',
    namespace: guardNamespace(stack.name),
    name: GUARD,
  }
  const { every, ...rules } = rulesOf(spec)
  log.info(`guarding ${site} of ${stack.name}`)
  const platform = { name: KUBERNETES.platform, client: kubernetes }
  const context = guardContext({ stack, site, platform, store, clock: systemClock, log, signal })
  await guardSite({
    stack,
    site,
    drivers,
    context,
    identify: kubernetesPlatform.reach(siteOf(stack, site), context).identify,
    rules,
    every,
    store,
    uptime: () => uptime() * 1_000,
    random: Math.random,
    memory: memoryIn(options.memory),
    publish: async (said) => {
      await kubernetes.patch(report, { data: { [REPORT_KEY]: JSON.stringify(said) } }, { deadline: REPORT_DEADLINE })
    },
    configuration: process.env[CONFIGURATION] ?? '',
  })
}

/** Lines with the time of day, for comparison with the logs of the database and the application. */
function podLog(masked: (text: string) => string): Log {
  const write = (line: string): void => {
    process.stdout.write(`${new Date().toISOString()} ${harmlessLogLine(masked(line))}\n`)
  }
  return {
    info: write,
    warning: (line) => write(`! ${line}`),
    debug: (line) => (process.env.STANDBY_DEBUG === undefined ? undefined : write(`. ${line}`)),
  }
}
