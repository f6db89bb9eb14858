import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { minutes } from '../../values/duration.ts'
import { codes } from './codes.ts'
import type { Application } from './spec.ts'

/**
 * One call of the helm binary. `live`: its output goes to the log as it comes, so it must not hold rendered objects.
 */
export type Helm = (args: readonly string[], how?: { readonly live: boolean }) => Promise<string>

/**
 * The environment that is specific to helm. Every program gets PATH, HOME, proxies and certificate authorities; helm
 * also gets the variables that name logins to OCI registries (others are in HOME). No HELM_KUBE* variable of the
 * machine reaches it: each would override the kubeconfig, and another context is another cluster. Pure.
 */
export const helmVariables = (home: string, kubeconfig: string): Readonly<Record<string, string>> => ({
  KUBECONFIG: kubeconfig,
  HELM_CACHE_HOME: join(home, 'cache'),
  HELM_DATA_HOME: join(home, 'data'),
  HELM_DRIVER: 'secret',
})

/** Runs work with a helm that talks to one site; its kubeconfig lies in a private file that is removed afterwards. */
export async function withHelm<T>(
  site: SiteName,
  context: DriverContext,
  work: (helm: Helm, home: string) => Promise<T>,
): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'standby-helm-'))
  try {
    const kubeconfig = join(home, 'kubeconfig')
    await writeFile(kubeconfig, await context.kubeconfig(site), { mode: 0o600 })
    const env = helmVariables(home, kubeconfig)
    const helm: Helm = async (args, how) => {
      const options = {
        deadline: minutes(3),
        env,
        purpose: 'helm',
        cwd: context.stack.source.directory,
        signal: context.signal,
        ...(how?.live === true ? { live: true as const } : {}),
      } as const
      const result = await context.run(process.env.STANDBY_HELM ?? 'helm', args, options, { site })
      if (result.code !== 0)
        throw codes.error(
          'helm-failed',
          `helm ${args[0]} ${args[1] ?? ''}: ${result.stderr.trim().split('\n').slice(-4).join(' ')}`,
          {
            retry: 'never',
            where: site,
            next: `Run the same command by hand with --debug.`,
          },
        )
      return result.stdout
    }
    return await work(helm, home)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

function sourceOf(chart: Application['spec']['chart'], directory: string): string[] {
  if ('path' in chart) return [resolve(directory, chart.path)]
  return 'oci' in chart
    ? [chart.oci, '--version', chart.version]
    : [chart.name, '--repo', chart.repository, '--version', chart.version]
}

/** The chart and its values as arguments of `template` and `upgrade`. */
export function chartArguments(component: Application, context: DriverContext, values: readonly string[]): string[] {
  const { chart } = component.spec
  const directory = context.stack.source.directory
  return [
    ...sourceOf(chart, directory),
    '--namespace',
    component.spec.namespace,
    ...values.flatMap((file) => ['--values', resolve(directory, file)]),
  ]
}

export interface LiveRelease {
  readonly status: string
  readonly revision: number
  readonly chart: string
  readonly values: string
}

/** The installed release; null when there is none. */
export async function liveRelease(helm: Helm, component: Application): Promise<LiveRelease | null> {
  const { namespace, release } = component.spec
  const listed = JSON.parse(
    await helm(['list', '--all', '--namespace', namespace, '--filter', `^${release}$`, '--output', 'json']),
  ) as {
    status: string
    revision: string
    chart: string
  }[]
  const found = listed[0]
  if (found === undefined) return null
  const values = await helm(['get', 'values', release, '--namespace', namespace, '--output', 'json'])
  return { status: found.status, revision: Number(found.revision), chart: found.chart, values: values.trim() }
}
