import type { BySite } from '../../domain/observed.ts'
import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import { sayAt } from '../../driver/say.ts'
import { isAutoscaler } from '../../platform/kubernetes/field-managers.ts'
import { managedByOthers } from '../../platform/kubernetes/managed-by-others.ts'
import type { HelmReleaseState } from './observe.ts'
import type { Application } from './spec.ts'

/**
 * What stands against an intent, or should be known anyway. Pure. A failover asks only of the new site what it needs; a
 * rejoin only that the site which goes to sleep can be called so.
 */
export function assessRelease(
  component: Application,
  states: BySite<HelmReleaseState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const ofSites = assessment.stack.sites.flatMap(({ name }) => ofSite(component, name, states, intent, assessment))
  return [
    ...ofSites,
    ...canaryThatFails(component, states, intent, assessment),
    ...secretsThatDiffer(component, states, intent),
    ...imagesThatDiffer(component, states, intent),
  ]
}

function ofSite(
  component: Application,
  site: SiteName,
  states: BySite<HelmReleaseState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  const seen = states[site]
  if (seen === undefined) return []
  const say = sayAt(component, site)
  const needed = severityAt(site, intent)
  if (seen.kind !== 'answering')
    return [
      say(
        'application-silent',
        // A rejoin installs what is not there.
        seen.kind === 'absent' && intent?.mode === 'rejoin' ? 'warning' : needed,
        `${component.spec.release} on ${site} can not be read: ${seen.why}`,
        seen.kind === 'absent' ? 'Deploy it: it holds nothing of its own.' : 'Look at its Kubernetes cluster.',
      ),
    ]
  const missing = Object.entries(seen.state.secrets ?? {}).filter(([, hash]) => hash === null)
  // It is what a rejoin and a reopening mend.
  const mended = intent?.mode === 'rejoin' || intent?.mode === 'reopen'
  const notReady = site === assessment.activeSite && !mended ? needed : 'warning'
  const others = seen.state.others ?? []
  const { kind, name: workload } = component.spec.workload
  return [
    ...managedByOthers(seen.state.controllers ?? [], intent === null ? 'info' : 'warning', {
      object: `${kind}/${workload} on ${site}`,
      field: 'spec.replicas',
      say,
    }),
    ...(intent === null ? scaledAgainstItsRole(component, site, seen.state, assessment) : []),
    ...(others.length === 0
      ? []
      : [
          say(
            'workloads-not-moved',
            'warning',
            `the release ${component.spec.release} on ${site} also runs ${others.join(', ')}: no move stops that, and no fence shuts it`,
            'Declare each as a component of its own, or keep it from writing by the values of the passive role.',
          ),
        ]),
    ...missing.map(([name]) =>
      say(
        'secret-missing',
        intent?.mode === 'rejoin' ? 'warning' : needed,
        `${name} is missing on ${site}`,
        'Create it with the same content as on the other site.',
      ),
    ),
    ...(seen.state.workload.settled
      ? []
      : [say('application-not-ready', notReady, `${component.spec.workload.name} on ${site}: ${seen.text}`)]),
  ]
}

/**
 * A size that its site should not have, such as the one that another controller has written back after a move had
 * ended. The driver knows the step that mends it: a deploy gives each site the values of its role. An application that
 * runs on a passive site, and that nobody else has scaled, is what a lost site has when it comes back.
 */
function scaledAgainstItsRole(
  { name, spec: { workload } }: Application,
  site: SiteName,
  { workload: { declared }, scaledBy, controllers = [] }: HelmReleaseState,
  { activeSite }: Assessment,
): Finding[] {
  const serves = site === activeSite
  const another = scaledBy !== undefined && !isAutoscaler(scaledBy)
  if (activeSite === null || serves === declared > 0 || !(serves || another)) return []
  const by = another ? `, set by ${scaledBy}` : ''
  const what = serves
    ? `${workload.kind}/${workload.name} on ${site}, the active site, has no replicas${by}: nobody is served`
    : `${workload.kind}/${workload.name} on ${site}, a passive site, has ${declared} replica${declared === 1 ? '' : 's'}${by}`
  const pause = controllers.find(({ writes }) => writes)?.pause
  const unless = serves ? 'Unless its guard has shut it' : 'Unless it was lost and has come back'
  const first = another && pause !== undefined ? `${pause}. Then` : unless
  const deploy = `standby deploy --only ${name} gives each site the values of its role`
  return [sayAt({ name }, site)('replicas-not-of-role', 'blocker', what, `${first}: ${deploy}`)]
}

/** What SMOKE will ask of the new site is asked of the one that serves, while its doors are open. */
function canaryThatFails(
  component: Application,
  states: BySite<HelmReleaseState>,
  intent: Intent | null,
  assessment: Assessment,
): Finding[] {
  if (component.spec.canary === undefined || intent?.mode === 'rejoin' || intent?.mode === 'reopen') return []
  const { release } = component.spec
  return assessment.stack.sites.flatMap(({ name: site }): Finding[] => {
    const seen = states[site]
    const say = sayAt(component, site)
    if (seen?.kind !== 'answering')
      return intent?.mode === 'failover' && site === intent.from
        ? [
            say(
              'canary-unknown',
              'info',
              `whether the canary of ${release} works can not be known: ${site}, which served, does not answer`,
              `It is read for the first time on ${intent.to}, before traffic is let in there.`,
            ),
          ]
        : []
    const { canary } = seen.state
    switch (canary?.is) {
      case 'fails':
        return [
          say(
            'canary-fails',
            intent?.mode === 'switchover' ? 'blocker' : 'warning',
            `the canary of ${release} fails on ${site}: ${canary.why}`,
            intent?.mode === 'failover'
              ? `The failover will stop before traffic is let in on ${intent.to}: renew the canary, or take it out of the stack file, before you approve.`
              : 'A move would stop after its point of no return: renew the client secret of the canary, or its right to read the secret.',
          ),
        ]
      case 'unknown':
        return [
          say(
            'canary-unknown',
            intent?.mode === 'switchover' ? 'warning' : 'info',
            `the canary of ${release} on ${site} could not be tried: ${canary.why}`,
            'A switchover tries it again, with the rights of the mover, before anything is stopped.',
          ),
        ]
      case 'without-credentials':
        return [
          say(
            'canary-fails',
            severityAt(site, intent),
            `the canary of ${release} can not be read on ${site}: ${canary.why}`,
            'Create it with the same content as on the other site.',
          ),
        ]
      default:
        return []
    }
  })
}

/** How much an intent depends on a site: a switchover on both, a failover and a rejoin on the one that they change. */
function severityAt(site: string, intent: Intent | null): Finding['severity'] {
  if (intent === null) return 'warning'
  return intent.mode === 'switchover' || site === intent.to ? 'blocker' : 'warning'
}

/** The only thing whose loss loses data is a key: a passive site with another one can not start. */
function secretsThatDiffer(component: Application, states: BySite<HelmReleaseState>, intent: Intent | null): Finding[] {
  const hashes = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' && seen.state.secrets !== null ? [{ site, secrets: seen.state.secrets }] : [],
  )
  const names = [...new Set(hashes.flatMap(({ secrets }) => Object.keys(secrets)))]
  return names.flatMap((name): Finding[] => {
    const values = new Set(
      hashes.map(({ secrets }) => secrets[name]).filter((hash) => hash !== null && hash !== undefined),
    )
    return values.size < 2
      ? []
      : [
          {
            code: 'secret-differs',
            severity: intent === null || intent.mode === 'rejoin' ? 'warning' : 'blocker',
            component: component.name,
            what: `${name} is not the same on ${hashes.map(({ site }) => site).join(' and ')}`,
            next: 'Copy it from the active site: data that it encrypts can not be read with another key.',
          },
        ]
  })
}

/**
 * A newer image on the passive site migrates the database at its first start, one way and unreviewed. Once a site is
 * lost, that is the lesser evil.
 */
function imagesThatDiffer(component: Application, states: BySite<HelmReleaseState>, intent: Intent | null): Finding[] {
  const images = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' ? [`${site}: ${seen.state.workload.image}`] : [],
  )
  const different = new Set(images.map((image) => image.slice(image.indexOf(': ') + 2))).size > 1
  return different
    ? [
        {
          code: 'image-differs',
          severity: intent?.mode === 'switchover' ? 'blocker' : 'warning',
          component: component.name,
          what: `the sites run different images (${images.join(', ')})`,
          next: 'Deploy first: a move must not be a migration.',
        },
      ]
    : []
}
