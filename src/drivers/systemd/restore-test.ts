import type { Progress } from '../../domain/progress.ts'
import type { Check, Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { RestoreTestReport } from '../../driver/restore-test.ts'
import { asStandbyError, siteError } from '../../errors/standby-error.ts'
import { type HostSandbox, openHostSandbox } from '../../platform/hosts/sandbox.ts'
import { serverNameOf } from '../../platform/hosts/sandbox-units.ts'
import { canaryCheck, canaryRequest } from '../../systems/application/canary.ts'
import { withEndpoints } from '../../systems/application/restored-endpoint.ts'
import { sameInstance } from '../../systems/application/same-instance.ts'
import { seconds } from '../../values/duration.ts'
import { deadlineAfter } from '../../waiting/deadline.ts'
import { waitUntilDone } from '../../waiting/wait-until.ts'
import { CURL, readByCurl } from './canary.ts'
import { codes } from './codes.ts'
import { variablesIn } from './environment-file.ts'
import { hostsOf, unhealthyText } from './host.ts'
import { hostsAt } from './run.ts'
import { type Application, type DeclaredRestoreTest, nameOf } from './spec.ts'

/**
 * Starts one instance of the application on the restored copies, in the sandbox of the hosts and with the passive
 * site's own keys, and asks it who it is. The sandbox has no network but its own: the instance can reach nothing else.
 */
export async function testRestored(
  component: Application,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<RestoreTestReport> {
  const begun = context.clock.now()
  const checks: Check[] = [await sameInstance(component, source, sandbox, context)]
  const report = (): RestoreTestReport => ({
    backup: { id: nameOf(component), takenAt: begun.toISOString(), bytes: null },
    checks,
    restoreDuration: context.clock.now().getTime() - begun.getTime(),
  })
  const { restoreTest, canary } = component.spec
  if (restoreTest === undefined) return report()
  const box = await openHostSandbox(sandbox, context)
  const environment = await environmentOf(component, restoreTest, box, sandbox, context)
  const starts = (good: boolean, found: string): Check => ({
    id: 'starts',
    component: component.name,
    outcome: good ? 'pass' : 'fail',
    expected: 'the application starts on the restored data',
    found,
  })
  const server = serverNameOf(component)
  await box.start(server, restoreTest.run, { env: { HOME: box.directory, ...environment } })
  try {
    await waitUntilDone(() => progressOf(component, restoreTest, box, server, context), {
      what: 'the application on restored data',
      clock: context.clock,
      signal: context.signal,
      deadline: deadlineAfter(sandbox.deadline),
      waiting: (what) => context.log.info(`${component.name}: waiting for ${what}`),
    })
    checks.push(starts(true, 'it serves'))
    if (canary !== undefined) {
      const request = await canaryRequest(canary, restoreTest.url, sandbox.site, context)
      checks.push(canaryCheck(component, await readByCurl(canary, request, (stdin) => box.run(CURL, { stdin }))))
    }
  } catch (error) {
    context.signal.throwIfAborted()
    const reason = asStandbyError(error)
    if (reason.mustAct === 'defect') throw reason
    checks.push(starts(false, reason.message))
  }
  await box.stop(server)
  return report()
}

/** Whether it serves: by its page of health, or by its answer about the canary where none is declared. */
async function progressOf(
  component: Application,
  { url }: DeclaredRestoreTest,
  box: HostSandbox,
  server: string,
  context: DriverContext,
): Promise<Progress> {
  const seen = await box.look(server)
  if (seen.is === 'ended')
    return {
      is: 'failed',
      code: codes.code['application-refuses'],
      why: seen.said.trim().split('\n').slice(-3).join(' | ') || `it ends with ${seen.code}`,
    }
  const { health } = component.spec
  const words = [
    'curl',
    '-sS',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '--max-time',
    '3',
    `${url}${health?.path ?? '/'}`,
  ]
  const { stdout, stderr } = await box.run(words, { within: seconds(10), signal: context.signal })
  const why = unhealthyText(health ?? { path: '/', expect: ANY }, `${stderr}${stdout}`)
  return why === null ? { is: 'done', proof: {} } : { is: 'pending', waitingFor: `${component.name} to serve (${why})` }
}

/** Without a page of health any answer counts: the canary says more. */
const ANY = Array.from({ length: 500 }, (_, index) => 100 + index)

/** The passive site's own environment, with the addresses of the restored copies in place of the real ones. */
async function environmentOf(
  component: Application,
  { environmentFile, environment }: DeclaredRestoreTest,
  box: HostSandbox,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<Record<string, string>> {
  const own = environmentFile === undefined ? {} : await variablesOf(component, environmentFile, sandbox.site, context)
  const readSecret = async (name: string, key: string): Promise<string> =>
    (await box.read(`${name}/${key}`))?.trim() ?? missing(`the sandbox has no ${name}/${key}`, sandbox.site)
  const replaced = Object.entries(environment).map(
    async ([name, value]) => [name, await withEndpoints(value, component, sandbox, readSecret)] as const,
  )
  return { ...own, ...Object.fromEntries(await Promise.all(replaced)) }
}

async function variablesOf(
  component: Application,
  file: string,
  site: SiteName,
  context: DriverContext,
): Promise<Record<string, string>> {
  const [host] = hostsAt(component, site)
  if (host === undefined) return {}
  const { signal } = context
  const { code, stdout, stderr } = await hostsOf(host, context).run(host.name, `cat '${file}'`, {
    signal,
    asRoot: true,
  })
  return code === 0 ? variablesIn(stdout) : missing(`${file} on ${host.name} cannot be read: ${stderr.trim()}`, site)
}

function missing(what: string, where: string): never {
  throw siteError('secret-missing', what, { where })
}
