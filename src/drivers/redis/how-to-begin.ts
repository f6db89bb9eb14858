import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Deployment, Role } from '../../driver/deployment.ts'
import { siteError } from '../../errors/standby-error.ts'
import { isOwnedBy } from '../../platform/kubernetes/declared-objects.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import type { NewestDump } from '../../systems/redis/newest-dump.ts'
import { codes } from './codes.ts'
import { newestOf } from './observe.ts'
import type { Cache } from './spec.ts'

/** All that decides how the Redis of one site begins. Values only. */
export interface CacheSituation {
  readonly role: Role
  /** null: the witness names no active site. */
  readonly epoch: number | null
  readonly adopt: boolean
  readonly server: 'absent' | 'ours' | 'others'
  /** Of a passive site: whether the site that counts as active has a Redis of this name. */
  readonly atActive: boolean
  readonly volume: 'absent' | 'there' | 'unknown'
  readonly dump: NewestDump
  readonly move: 'restore' | 'fresh'
}

export type CacheRefusal = 'made-by-others' | 'only-on-passive-site' | 'active-cache-missing'

/**
 * Why the Redis of a site must not be made; null where it may. A StatefulSet that is made anew finds its volume again.
 * Without a volume it begins empty, which is right on a passive site, in a first deploy, and with `move: fresh`, which
 * declares that its data need not be kept. Pure.
 */
export function refusalOf({
  role,
  epoch,
  adopt,
  server,
  atActive,
  volume,
  dump,
  move,
}: CacheSituation): CacheRefusal | null {
  // Otherwise an empty Redis would be made on the active site, and the one that serves would count as stale. In every
  // epoch, for a component may be new to the stack.
  if (server === 'others' && adopt && role === 'passive' && !atActive && move !== 'fresh') return 'only-on-passive-site'
  if (server === 'others') return adopt ? null : 'made-by-others'
  if (server === 'ours' || role === 'passive' || volume === 'there' || move === 'fresh' || epoch === null) return null
  return dump === null ? null : 'active-cache-missing'
}

/** Throws `made-by-others` and `active-cache-missing`, before anything is changed. */
export async function assertMayBegin(
  component: Cache,
  site: SiteName,
  deployment: Deployment,
  context: DriverContext,
): Promise<void> {
  const { namespace, name, move = 'restore' } = component.spec
  const setOf = (at: SiteName) =>
    context
      .platform(KUBERNETES, at)
      .get(
        { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespace, name },
        { signal: context.signal },
      )
  const { activeSite, epoch } = deployment
  const [set, atActive, volume, dump] = await Promise.all([
    setOf(site),
    activeSite !== site ? setOf(activeSite).then((found) => found !== null) : true,
    volumeAt(component, site, context),
    newestOf(component, site, context),
  ])
  const refusal = refusalOf({
    role: deployment.roleOf(site),
    epoch,
    adopt: deployment.adopt,
    server: serverOf(set, component, context),
    atActive,
    volume,
    dump,
    move,
  })
  const where = `${site} ${namespace}/StatefulSet/${name}`
  if (refusal === 'made-by-others')
    throw siteError('made-by-others', `${name} on ${site} exists, and no deploy of this stack made it`, {
      where,
      next: 'Nothing was changed. To take it over with its data: standby deploy --adopt --dry-run shows what would differ.',
    })
  if (refusal === 'only-on-passive-site')
    throw siteError(
      'made-by-others',
      `${name} on ${site} was not made by a deploy of this stack, and ${activeSite}, ${epoch === null ? 'which the stack file names as initialActive' : 'the active site'}, has none: an empty one would be made there`,
      {
        where,
        next: `Nothing was changed. ${epoch === null ? `If ${site} is the site that serves, name it as initialActive, and adopt what it has: standby deploy --adopt --dry-run` : `To keep what it holds, make one of the same name on ${activeSite}, load a dump of this one there by hand, and adopt both: standby deploy --adopt --dry-run`}. If nothing in it is worth keeping, declare move: fresh for ${component.name}.`,
      },
    )
  if (refusal === 'active-cache-missing')
    throw codes.error(
      'active-cache-missing',
      `there is no ${name} on ${site}, the active site, ${volume === 'absent' ? 'and its volume is gone' : 'and it is unknown whether its volume is left'}; ${dump === 'unreadable' ? 'its dumps cannot be listed' : `a dump of it is of ${dump?.takenAt ?? ''}`}. A deploy would make an empty one`,
      {
        retry: 'never',
        where,
        next: `Nothing was changed. A failover to another site loads its newest dump. To go on without what it held, declare move: fresh for ${component.name}, and deploy.`,
      },
    )
}

function serverOf(set: KubernetesObject | null, component: Cache, { stack }: DriverContext): CacheSituation['server'] {
  if (set === null) return 'absent'
  return isOwnedBy(set, stack.name, component.name) ? 'ours' : 'others'
}

/** The claim of the first pod keeps its name and its data when the StatefulSet is deleted. */
async function volumeAt(component: Cache, site: SiteName, context: DriverContext): Promise<CacheSituation['volume']> {
  const { namespace, name } = component.spec
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    plural: 'persistentvolumeclaims',
    namespace,
    name: volumeOf(name),
  }
  return unlessForbidden(
    async () =>
      (await context.platform(KUBERNETES, site).get(claim, { signal: context.signal })) === null ? 'absent' : 'there',
    () => 'unknown',
  )
}

export const volumeOf = (name: string): string => `data-${name}-0`
