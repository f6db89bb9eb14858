import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Change, Deployment, DeployUnit } from '../../driver/deployment.ts'
import { proveHosts } from './hosts.ts'
import { changesAfterwards, changesOf, type Ended, errorOf } from './judge-results.ts'
import { type Running, runPlaybook } from './run-playbook.ts'
import { type Playbook, timeoutOf } from './spec.ts'
import { ansibleVersion } from './version.ts'

/** The playbook on the hosts of one site; and the playbook that runs after the active site, where one is declared. */
export async function deployHosts(
  component: Playbook,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): Promise<DeployUnit[]> {
  const { playbook, afterwards } = component.spec
  const { activeSite } = deployment
  const of = (which: 'playbook' | 'afterwards', at: SiteName): string => `${component.name}.${which}@${at}`
  const first = unit(component, { playbook, site, activeSite }, context, {
    id: of('playbook', site),
    needs: [],
    title: `${playbook} on the hosts of ${site}, as the ${deployment.roleOf(site)} site`,
    changes: changesOf,
  })
  if (afterwards === undefined) return [first]
  const second = unit(component, { playbook: afterwards, site, activeSite }, context, {
    id: of('afterwards', site),
    needs: [...new Set([of('playbook', site), of('playbook', activeSite)])],
    title: `${afterwards} on the hosts of ${site}, after ${activeSite}`,
    changes: changesAfterwards,
  })
  return [first, second]
}

interface UnitOf extends Pick<DeployUnit, 'id' | 'needs' | 'title'> {
  readonly changes: (ended: Ended, where: string) => Change[]
}

function unit(
  component: Playbook,
  running: Omit<Running, 'how'>,
  context: DriverContext,
  { changes, ...named }: UnitOf,
): DeployUnit {
  const { site } = running
  const where = `${site} ${running.playbook}`
  let applied: Ended | null = null
  let found: Change[] = []
  const run = async (how: Running['how'], signal: AbortSignal): Promise<Ended> => {
    const within = { ...context, signal }
    await ansibleVersion(component, site, within)
    await proveHosts(component, site, within, signal)
    const ended = await runPlaybook(component, { ...running, how }, within)
    if (ended.code === 0 && ended.results.tasks.length === 0)
      context.log.warning(`${named.id}: no task of ${running.playbook} is for a host of ${site}`)
    return ended
  }
  return {
    ...named,
    site,
    // Where the first dry run found nothing, there is another one before it is applied.
    deadline: 2 * timeoutOf(component),
    /**
     * Differences that a dry run found stand until they are applied: Ansible compares each task itself, and another dry
     * run takes as long as the first. What waits for a site that comes later, such as a stanza of its archive, has no
     * dry run; it is done because the first one could not reach it.
     */
    async diff(signal) {
      if (found.length === 0) found = changes(await run('check', signal), where)
      return found
    },
    async apply(signal) {
      found = []
      const ended = await run('apply', signal)
      const error = errorOf(ended, where)
      if (error !== null) throw error
      applied = ended
    },
    ready: async (): Promise<Progress> => ({ is: 'done', proof: applied === null ? {} : changedHosts(applied) }),
  }
}

/** How many tasks changed each host, for the record. */
const changedHosts = ({ results }: Ended): { readonly changed: Readonly<Record<string, number>> } => ({
  changed: Object.fromEntries(Object.entries(results.totals ?? {}).map(([host, { changed }]) => [host, changed])),
})
