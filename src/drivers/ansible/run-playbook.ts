import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { seconds } from '../../values/duration.ts'
import type { Ended } from './judge-results.ts'
import { parseResults } from './parse-results.ts'
import { type PrivateFiles, withPrivateFiles } from './private-files.ts'
import { PLUGIN } from './results-plugin.ts'
import { groupOfSite, type Playbook, programOf, timeoutOf } from './spec.ts'

export interface Running {
  /** Relative to the stack file. */
  readonly playbook: string
  readonly site: SiteName
  readonly activeSite: SiteName
  /** `check`: changes nothing, and says what would differ. `apply`: people watch it. */
  readonly how: 'check' | 'apply'
}

/**
 * Runs a playbook on the hosts of one site to its end; any end is a result. Throws `process-timeout`,
 * `process-not-found`, or the reason of the signal; then Ansible and all that it has started here are gone, and what
 * runs on a host at that moment may end by itself.
 */
export function runPlaybook(component: Playbook, running: Running, context: DriverContext): Promise<Ended> {
  const { site, activeSite, playbook } = running
  const directory = context.stack.source.directory
  return withPrivateFiles(component, site, activeSite, context, async (files) => {
    const options = {
      deadline: timeoutOf(component),
      env: { ...files.environment, ...variablesFor(files, component) },
      // Ansible reads ansible.cfg, roles and group_vars there.
      cwd: dirname(resolve(directory, playbook)),
      signal: context.signal,
      ...(running.how === 'apply' ? { live: true as const } : {}),
    }
    try {
      const args = argumentsOf(component, running, files, directory)
      const { code, stderr } = await context.run(programOf(component), args, options, { site })
      return { code, stderr: files.masked(stderr), results: parseResults(files.masked(await linesIn(files.results))) }
    } finally {
      await closeConnections(files, site, context)
    }
  })
}

/** They hold names and paths, and no secret. Pure. */
export function argumentsOf(
  component: Playbook,
  { site, playbook, how }: Pick<Running, 'site' | 'playbook' | 'how'>,
  files: Pick<PrivateFiles, 'inventory' | 'extraVariables' | 'vaultIds'>,
  directory: string,
): string[] {
  const { inventories = [], tags, skipTags } = component.spec
  // Of two inventories that name the same host, the later one wins.
  const sources = [...inventories.map((path) => resolve(directory, path)), files.inventory]
  return [
    ...sources.flatMap((path) => ['--inventory', path]),
    '--limit',
    groupOfSite(site),
    '--extra-vars',
    `@${files.extraVariables}`,
    ...files.vaultIds.flatMap((id) => ['--vault-id', id]),
    ...(tags === undefined ? [] : ['--tags', tags.join(',')]),
    ...(skipTags === undefined ? [] : ['--skip-tags', skipTags.join(',')]),
    ...(how === 'check' ? ['--check', '--diff'] : []),
    resolve(directory, playbook),
  ]
}

/** These win over ansible.cfg. Pure. */
export const variablesFor = (
  files: Pick<PrivateFiles, 'plugins' | 'results' | 'readOnce' | 'connections' | 'temporary'>,
  { spec }: Pick<Playbook, 'spec'>,
): Readonly<Record<string, string>> => ({
  // Ansible refuses to work where text is not UTF-8.
  LC_ALL: 'C.UTF-8',
  ANSIBLE_CALLBACK_PLUGINS: files.plugins,
  ANSIBLE_CALLBACKS_ENABLED: PLUGIN,
  ANSIBLE_LOCAL_TEMP: files.temporary,
  // A connection that another key has opened is never used.
  ANSIBLE_SSH_CONTROL_PATH_DIR: files.connections,
  ANSIBLE_HOST_KEY_CHECKING: 'True',
  ANSIBLE_NOCOLOR: '1',
  ANSIBLE_FORCE_COLOR: '0',
  ANSIBLE_NOCOWS: '1',
  ANSIBLE_RETRY_FILES_ENABLED: 'False',
  // What would show the content of files and the arguments of tasks in the log.
  ANSIBLE_DIFF_ALWAYS: 'False',
  ANSIBLE_DISPLAY_ARGS_TO_STDOUT: 'False',
  ANSIBLE_VERBOSITY: '0',
  STANDBY_RESULTS: files.results,
  STANDBY_REMOVE: files.readOnce.join('\n'),
  STANDBY_SHOWS_CONTENT: spec.showContent === true ? 'yes' : 'no',
})

/** Empty where Ansible ended before it loaded the plugin. */
const linesIn = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')

/** ssh keeps a connection open for a minute after its last use, with the key of this run: it is closed at once. */
async function closeConnections({ connections }: PrivateFiles, site: SiteName, context: DriverContext): Promise<void> {
  const sockets = await readdir(connections).catch(() => [])
  const closing = sockets.map(async (socket) => {
    const options = { deadline: seconds(2), signal: AbortSignal.timeout(seconds(3)) }
    await context.run('ssh', ['-F', 'none', '-O', 'exit', '-S', join(connections, socket), 'host'], options, { site })
  })
  await Promise.allSettled(closing)
}
