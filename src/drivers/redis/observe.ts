import type { Observed } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import type { DriverContext } from '../../driver/context.ts'
import { isReady } from '../../platform/kubernetes/client/conditions.ts'
import { isOwnedBy } from '../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import { type NewestDump, newestInStore } from '../../systems/redis/newest-dump.ts'
import { podReference } from './manifests.ts'
import { backupFolder, backupJob, type Cache } from './spec.ts'

export interface RedisState {
  readonly ready: boolean
  readonly image: string
  /** Whether its schedule is active; absent where there is no schedule, or this identity may not see it. */
  readonly dumping?: boolean
  /**
   * Per site: the dumps of a lost site are in an object store, where the sites that still answer can see them.
   */
  readonly dumps: Readonly<Record<string, NewestDump>>
}
/** Reads pod and newest dumps. The server itself is not asked: not every identity may run commands in its pod. */
export async function observeCache(
  component: Cache,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<RedisState>> {
  const { namespace, name } = component.spec
  const kubernetes = context.platform(KUBERNETES, site)
  const [set, pod, dumps, dumping] = await Promise.all([
    kubernetes.get(
      { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespace, name },
      { signal: context.signal },
    ),
    kubernetes.get(
      { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace, name: podReference(component).name },
      { signal: context.signal },
    ),
    newestDumps(component, context),
    takesDumps(component, site, context),
  ])
  if (set === null) return { kind: 'absent', why: `there is no StatefulSet ${namespace}/${name}` }
  const ready = isReady(pod)
  // From the template: the pod is missing while it restarts, and the sites are compared by this.
  const template = (set.spec as { template?: { spec?: { containers?: readonly { image: string }[] } } } | undefined)
    ?.template
  const image = template?.spec?.containers?.[0]?.image ?? ''
  const dump = dumps[site] ?? null
  const notReady = pod === null ? 'down' : 'degraded'
  return {
    kind: 'answering',
    state: { ready, image, dumps, ...(dumping === null ? {} : { dumping }) },
    role: 'unknown',
    health: ready ? 'healthy' : notReady,
    text: ready ? `ready, ${image.split('/').at(-1)}` : 'not ready',
    ...(dump === null || dump === 'unreadable' ? {} : { lastBackup: dump.takenAt }),
    facts: [{ name: 'image', value: image, binds: 'exactly' }],
    madeBy: isOwnedBy(set, context.stack.name, component.name) ? 'standby' : 'others',
  }
}

/**
 * null: there is no schedule, or the identity may not read it. A role that was granted before this right existed must
 * not make the cache look silent.
 */
async function takesDumps(component: Cache, site: SiteName, context: DriverContext): Promise<boolean | null> {
  const { namespace } = component.spec
  const ref = { apiVersion: 'batch/v1', kind: 'CronJob', plural: 'cronjobs', namespace, name: backupJob(component) }
  const found = await unlessForbidden(
    () => context.platform(KUBERNETES, site).get(ref, { signal: context.signal }),
    () => null,
  )
  return found === null ? null : (found.spec as { suspend?: boolean }).suspend !== true
}

async function newestDumps(component: Cache, context: DriverContext): Promise<Record<string, NewestDump>> {
  const sites = context.stack.sites.map((site) => site.name)
  return Object.fromEntries(
    await Promise.all(sites.map(async (site) => [site, await newestOf(component, site, context)] as const)),
  )
}

/** A silent store gives a value, and no error. */
export const newestOf = (component: Cache, site: SiteName, context: DriverContext): Promise<NewestDump> =>
  newestInStore({ component, store: component.spec.backup.store, folder: backupFolder(component), site }, context)

/** The newest dump of a site, as the sites that answer see it: `by` first, then any other one. Pure. */
export function dumpSeen(states: StatesPerSite<RedisState>, of: SiteName, by: SiteName): NewestDump {
  const answers = [states[by], ...Object.values(states)].flatMap((seen) => {
    const dump = seen?.kind === 'answering' ? seen.state.dumps[of] : 'unreadable'
    return dump === undefined || dump === 'unreadable' ? [] : [dump]
  })
  return answers.length === 0 ? 'unreadable' : (answers[0] ?? null)
}
