import type { BySite } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { AnyReasonCode } from '../../errors/reason-codes.ts'
import { volumeOf } from './how-to-begin.ts'
import { dumpSeen, type NewestDump, type RedisState } from './observe.ts'
import type { Cache } from './spec.ts'

/**
 * What stands against an intent, or should be known anyway. Pure. A failover asks only of the new site what it needs.
 */
export function assessCache(
  component: Cache,
  states: BySite<RedisState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const sites = assessment.stack.sites.map((site) => site.name)
  const active = intent?.from ?? sites.find((site) => site === assessment.activeSite)
  return [
    ...imagesDiffer(component, states),
    ...sites.flatMap((site) => ofSite(component, site, states, intent, assessment.activeSite)),
    ...(active === undefined || !Object.values(states).some(({ kind }) => kind === 'answering')
      ? []
      : ofDumps(component, active, dumpSeen(states, active, intent?.to ?? active), intent, assessment)),
  ]
}

/** An older Redis refuses the dump of a newer one: better known before a move than in it. */
function imagesDiffer(component: Cache, states: BySite<RedisState>): Finding[] {
  const images = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' ? [`${site} ${seen.state.image}`] : [],
  )
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

function ofSite(
  component: Cache,
  site: SiteName,
  states: BySite<RedisState>,
  intent: Intent | null,
  activeSite: string | null,
): Finding[] {
  const seen = states[site]
  if (seen === undefined) return []
  const at = { component: component.name, site }
  const needed = intent !== null && (intent.mode === 'switchover' || site === intent.to) ? 'blocker' : 'warning'
  if (seen.kind !== 'answering')
    return [
      {
        ...at,
        code: 'cache-silent',
        severity: needed,
        what: `${component.spec.name} on ${site} can not be read: ${seen.why}`,
        next: nextOf(component, site, seen.kind, activeSite),
      },
    ]
  if (seen.state.ready) return []
  return [
    {
      ...at,
      code: 'cache-not-ready',
      // A rejoin starts it anew anyway.
      severity: intent?.mode === 'rejoin' ? 'warning' : needed,
      what: `${component.spec.name} on ${site} is not ready`,
      next: `kubectl -n ${component.spec.namespace} describe pod ${component.spec.name}-0`,
    },
  ]
}

function nextOf(component: Cache, site: SiteName, seen: 'absent' | 'silent', activeSite: string | null): string {
  if (seen === 'silent') return 'Look at its Kubernetes cluster.'
  return site === activeSite && component.spec.move !== 'fresh'
    ? `Look whether its volume is left: kubectl -n ${component.spec.namespace} get pvc ${volumeOf(component.spec.name)}. With it a deploy brings it back; without it a deploy refuses to make an empty one.`
    : 'Deploy it.'
}

/** The dumps of the active site, or of the one that was. */
function ofDumps(
  component: Cache,
  active: SiteName,
  dump: NewestDump,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const { name } = component.spec
  const lost = intent?.mode === 'failover'
  if (lost && component.spec.move === 'fresh') return []
  const say = (code: AnyReasonCode, what: string, next: string): Finding[] => [
    {
      code,
      severity: 'warning',
      component: component.name,
      site: active,
      what: lost && code !== 'dump-old' ? `${what}: it will begin empty, without its queued jobs and sessions` : what,
      next,
    },
  ]
  if (dump === 'unreadable')
    return say(
      'dumps-unreadable',
      `the dumps of ${name} can not be listed`,
      'Look at the object store and its read credentials.',
    )
  if (dump === null)
    return say(
      'no-dump',
      `${name} has no complete dump`,
      lost ? 'Nothing brings it back; accept it, or wait for the site.' : 'Run: standby backup',
    )
  return Date.parse(assessment.now) - Date.parse(dump.takenAt) > assessment.objectives.backupAge
    ? say(
        'dump-old',
        `the last dump of ${name} is of ${dump.takenAt}`,
        lost ? 'What it held since then is lost.' : 'Look at its CronJob.',
      )
    : []
}
