import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Assesses, StatesPerSite } from '../../driver/capabilities.ts'
import type { NewestDump } from '../../systems/redis/newest-dump.ts'
import { codes } from './codes.ts'
import { volumeOf } from './how-to-begin.ts'
import { dumpSeen, type RedisState } from './observe.ts'
import type { Cache, RedisSpec } from './spec.ts'

type States = StatesPerSite<RedisState>

/** Blockers of a move, and other findings. A failover needs only its new site to be well. */
export const assessment: Assesses<RedisSpec, States> = {
  status: (component, states, at) => findings(component, states, null, at),
  moves: { switchover: findings, failover: findings, rejoin: findings, reopen: findings },
}

function findings(component: Cache, states: States, intent: Intent | null, at: Assessment): Finding[] {
  const sites = at.stack.sites.map((site) => site.name)
  const active = intent?.from ?? sites.find((site) => site === at.activeSite)
  const answered = Object.values(states).some(({ kind }) => kind === 'answering')
  return [
    ...imagesDiffer(component, states),
    ...sites.flatMap((site) => ofSite(component, site, states, intent, at.activeSite)),
    ...(active === undefined || !answered
      ? []
      : ofDumps(component, active, dumpSeen(states, active, intent?.to ?? active), intent, at)),
  ]
}

/** An older Redis refuses the dump of a newer one: reported before a move. */
function imagesDiffer(component: Cache, states: States): Finding[] {
  const images = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' ? [`${site} ${seen.state.image}`] : [],
  )
  if (new Set(images.map((one) => one.split(' ')[1])).size < 2) return []
  return [
    codes.finding('cache-image-differs', component, {
      severity: 'warning',
      what: `the sites run different images of ${component.spec.name}: ${images.join(', ')}`,
      next: 'Deploy, so that each can load what the other has written.',
    }),
  ]
}

function ofSite(
  component: Cache,
  site: SiteName,
  states: States,
  intent: Intent | null,
  activeSite: string | null,
): Finding[] {
  const seen = states[site]
  if (seen === undefined) return []
  const { name, namespace } = component.spec
  const needed = intent !== null && (intent.mode === 'switchover' || site === intent.to) ? 'blocker' : 'warning'
  if (seen.kind !== 'answering')
    return [
      codes.finding('cache-silent', component, {
        site,
        severity: needed,
        what: `${name} on ${site} cannot be read: ${seen.why}`,
        next: nextOf(component, site, seen.kind, activeSite),
        ...(seen.kind === 'silent' ? { unanswered: true } : {}),
      }),
    ]
  if (seen.state.ready) return []
  return [
    codes.finding('cache-not-ready', component, {
      site,
      // A rejoin starts it anew anyway.
      severity: intent?.mode === 'rejoin' ? 'warning' : needed,
      what: `${name} on ${site} is not ready`,
      next: `kubectl -n ${namespace} describe pod ${name}-0`,
    }),
  ]
}

function nextOf({ spec }: Cache, site: SiteName, seen: 'absent' | 'silent', activeSite: string | null): string {
  if (seen === 'silent') return 'Look at its Kubernetes cluster.'
  return site === activeSite && spec.move !== 'fresh'
    ? `Look whether its volume is left: kubectl -n ${spec.namespace} get pvc ${volumeOf(spec.name)}. With it a deploy brings it back; without it a deploy refuses to make an empty one.`
    : 'Deploy it.'
}

/** The dumps of the active site, or of the former one. */
function ofDumps(
  component: Cache,
  active: SiteName,
  dump: NewestDump,
  intent: Intent | null,
  { now, objectives }: Assessment,
): Finding[] {
  const { name, move } = component.spec
  const lost = intent?.mode === 'failover'
  if (lost && move === 'fresh') return []
  const beginsEmpty = lost ? ': it will begin empty, without its queued jobs and sessions' : ''
  const at = { site: active, severity: 'warning' } as const
  if (dump === 'unreadable')
    return [
      codes.finding('dumps-unreadable', component, {
        ...at,
        what: `the dumps of ${name} cannot be listed${beginsEmpty}`,
        next: 'Look at the object store and its read credentials.',
      }),
    ]
  if (dump === null)
    return [
      codes.finding('no-dump', component, {
        ...at,
        what: `${name} has no complete dump${beginsEmpty}`,
        next: lost ? 'Nothing brings it back; accept it, or wait for the site.' : 'Run: standby backup',
      }),
    ]
  if (Date.parse(now) - Date.parse(dump.takenAt) <= objectives.backupAge) return []
  return [
    codes.finding('dump-old', component, {
      ...at,
      what: `the last dump of ${name} is of ${dump.takenAt}`,
      next: lost ? 'What it held since then is lost.' : 'Look at its CronJob.',
    }),
  ]
}
