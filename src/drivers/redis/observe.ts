import { asStandbyError } from '../../errors.ts'
import type { BySite, Observed } from '../../observation/observation.ts'
import type { Assessment, DriverContext } from '../../planning/driver.ts'
import type { Finding, Intent } from '../../planning/plan.ts'
import type { SiteName } from '../../stack/stack.ts'
import { type CataloguedDump, newestDump } from './catalogue.ts'
import { podReference } from './manifests.ts'
import { backupFolder, type Cache } from './spec.ts'

export interface RedisState {
  readonly ready: boolean
  readonly image: string
  readonly lastDump: CataloguedDump | null
  /** null when the store could not be read. */
  readonly dumpsReadable: boolean
}

/** Reads pod and newest dump; the server itself is only asked by those who may run commands in it. */
export async function observeCache(component: Cache, site: SiteName | null, context: DriverContext): Promise<Observed<RedisState>> {
  if (site === null) return { kind: 'absent', why: 'a cache belongs to a site' }
  const { namespace, name } = component.spec
  const kubernetes = context.kubernetes(site)
  const [set, pod, dump] = await Promise.all([
    kubernetes.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespace, name }, { signal: context.signal }),
    kubernetes.get(
      { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespace, name: podReference(component).name },
      { signal: context.signal },
    ),
    lastDump(component, site, context),
  ])
  if (set === null) return { kind: 'absent', why: `there is no StatefulSet ${namespace}/${name}` }
  const conditions = (pod?.status as { conditions?: readonly { type: string; status: string }[] } | undefined)?.conditions ?? []
  const ready = conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True')
  const image = (pod?.spec as { containers?: readonly { image: string }[] } | undefined)?.containers?.[0]?.image ?? ''
  return {
    kind: 'answering',
    state: { ready, image, lastDump: dump === 'unreadable' ? null : dump, dumpsReadable: dump !== 'unreadable' },
    role: 'unknown',
    health: ready ? 'healthy' : pod === null ? 'down' : 'degraded',
    text: ready ? `ready, ${image.split('/').at(-1)}` : 'not ready',
    ...(dump === null || dump === 'unreadable' ? {} : { lastBackup: dump.takenAt }),
    facts: [{ name: 'image', value: image, binds: 'exactly' }],
  }
}

async function lastDump(component: Cache, site: SiteName, context: DriverContext): Promise<CataloguedDump | null | 'unreadable'> {
  try {
    const store = await context.objectStore(component.spec.backup.store, site).open('read')
    return await newestDump(store, backupFolder(component), context.signal)
  } catch (error) {
    context.log.debug(`${component.name}@${site}: ${asStandbyError(error).message}`)
    return 'unreadable'
  }
}

export function assessCache(component: Cache, states: BySite<RedisState>, intent: Intent | null, assessment: Assessment): Finding[] {
  return [...imagesDiffer(component, states), ...ofSites(component, states, intent, assessment)]
}

/** An older Redis refuses the dump of a newer one: better known before a move than in it. */
function imagesDiffer(component: Cache, states: BySite<RedisState>): Finding[] {
  const images = Object.entries(states).flatMap(([site, seen]) => (seen.kind === 'answering' ? [`${site} ${seen.state.image}`] : []))
  if (new Set(images.map((one) => one.split(' ')[1])).size < 2) return []
  return [
    {
      code: 'cache-image-differs',
      severity: 'warning',
      component: component.name,
      what: `the sites run different images of ${component.spec.name}: ${images.join(', ')}`,
      next: 'Deploy, so that each can load what the other has written.',
    },
  ]
}

function ofSites(component: Cache, states: BySite<RedisState>, intent: Intent | null, assessment: Assessment): Finding[] {
  return assessment.stack.sites.flatMap((site): Finding[] => {
    const seen = states[site.name]
    if (seen === undefined) return []
    const say = (code: string, severity: Finding['severity'], what: string, next?: string): Finding => ({
      code,
      severity,
      component: component.name,
      site: site.name,
      what,
      ...(next === undefined ? {} : { next }),
    })
    const severity = intent === null ? 'warning' : 'blocker'
    if (seen.kind !== 'answering')
      return [
        say(
          'cache-silent',
          severity,
          `${component.spec.name} on ${site.name} can not be read: ${seen.why}`,
          'Deploy it, or look at its Kubernetes cluster.',
        ),
      ]
    const found: Finding[] = []
    if (!seen.state.ready)
      found.push(
        say(
          'cache-not-ready',
          severity,
          `${component.spec.name} on ${site.name} is not ready`,
          `kubectl -n ${component.spec.namespace} describe pod ${component.spec.name}-0`,
        ),
      )
    if (site.name !== assessment.activeSite) return found
    if (!seen.state.dumpsReadable)
      found.push(
        say(
          'dumps-unreadable',
          'warning',
          `the dumps of ${component.spec.name} can not be listed`,
          'Look at the object store and its read credentials.',
        ),
      )
    else if (seen.state.lastDump === null)
      found.push(say('no-dump', 'warning', `${component.spec.name} has no complete dump`, 'Run: standby backup'))
    else if (Date.parse(assessment.now) - Date.parse(seen.state.lastDump.takenAt) > assessment.objectives.backupAge)
      found.push(
        say('dump-old', 'warning', `the last dump of ${component.spec.name} is of ${seen.state.lastDump.takenAt}`, 'Look at its CronJob.'),
      )
    return found
  })
}
