import type { Finding, Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Assessment } from '../../driver/assessment.ts'
import type { Assesses, StatesPerSite } from '../../driver/capabilities.ts'
import { sayAt } from '../../driver/say.ts'
import { isAutoscaler } from '../../platform/kubernetes/field-managers.ts'
import { managedByOthers } from '../../platform/kubernetes/managed-by-others.ts'
import { canaryFindings, severityAt } from '../../systems/application/assess-canary.ts'
import { type SecretHashes, secretsThatDiffer } from '../../systems/application/assess-secrets.ts'
import { codes } from './codes.ts'
import { provedApplication } from './identity.ts'
import type { HelmReleaseState } from './observe.ts'
import type { Application, HelmReleaseSpec } from './spec.ts'

type States = StatesPerSite<HelmReleaseState>

/**
 * Blockers of a move, and other findings. A failover needs only its new site to be well; a rejoin only needs to observe
 * the site that becomes passive.
 */
export const assessment: Assesses<HelmReleaseSpec, States> = {
  status: (component, states, at) => findings(component, states, null, at),
  moves: { switchover: findings, failover: findings, rejoin: findings, reopen: findings },
}

function findings(component: Application, states: States, intent: Intent | null, at: Assessment): Finding[] {
  return [
    ...at.stack.sites.flatMap(({ name }) => ofSite(component, name, states, intent, at)),
    ...canaryFindings(provedApplication, component, states, intent, at),
    ...secretsThatDiffer(codes, component, secretsOf(states), intent),
    ...imagesThatDiffer(component, states, intent),
  ]
}

function ofSite(
  component: Application,
  site: SiteName,
  states: States,
  intent: Intent | null,
  at: Assessment,
): Finding[] {
  const seen = states[site]
  if (seen === undefined) return []
  const needed = severityAt(site, intent)
  const { release, workload } = component.spec
  if (seen.kind !== 'answering')
    return [
      codes.finding('application-silent', component, {
        site,
        // A rejoin installs a missing release.
        severity: seen.kind === 'absent' && intent?.mode === 'rejoin' ? 'warning' : needed,
        what: `${release} on ${site} cannot be read: ${seen.why}`,
        ...(seen.kind === 'absent'
          ? { next: 'Deploy it: it holds nothing of its own.' }
          : { next: 'Look at its Kubernetes cluster.', unanswered: true }),
      }),
    ]
  const { state } = seen
  const missing = Object.entries(state.secrets ?? {}).filter(([, hash]) => hash === null)
  // A rejoin and a reopening repair just that.
  const repaired = intent?.mode === 'rejoin' || intent?.mode === 'reopen'
  const notReady = site === at.activeSite && !repaired ? needed : 'warning'
  const say = sayAt(component, site)
  return [
    ...managedByOthers(state.controllers ?? [], intent === null ? 'info' : 'warning', {
      object: `${workload.kind}/${workload.name} on ${site}`,
      field: 'spec.replicas',
      say,
    }),
    ...(intent === null ? scaledAgainstItsRole(component, site, state, at) : []),
    ...alsoRunning(component, site, state),
    ...missing.map(([name]) =>
      say(
        'secret-missing',
        intent?.mode === 'rejoin' ? 'warning' : needed,
        `${name} is missing on ${site}`,
        'Create it with the same content as on the other site.',
      ),
    ),
    ...(state.workload.settled
      ? []
      : [
          codes.finding('application-not-ready', component, {
            site,
            severity: notReady,
            what: `${workload.name} on ${site}: ${seen.text}`,
          }),
        ]),
  ]
}

function alsoRunning(component: Application, site: SiteName, { others = [] }: HelmReleaseState): Finding[] {
  if (others.length === 0) return []
  return [
    codes.finding('workloads-not-moved', component, {
      site,
      severity: 'warning',
      what: `the release ${component.spec.release} on ${site} also runs ${others.join(', ')}: no move stops that, and no fence shuts it`,
      next: 'Declare each as a component of its own, or keep it from writing by the values of the passive role.',
    }),
  ]
}

/**
 * A number of replicas that does not fit the role of the site, such as one that another controller has written back
 * after a move. A deploy repairs it: it gives each site the values of its role. An application that runs on a passive
 * site without another manager's write is that of a lost site that has come back.
 */
function scaledAgainstItsRole(
  component: Application,
  site: SiteName,
  { workload: { declared }, scaledBy, controllers = [] }: HelmReleaseState,
  { activeSite }: Assessment,
): Finding[] {
  const { name } = component
  const { workload } = component.spec
  const serves = site === activeSite
  const another = scaledBy !== undefined && !isAutoscaler(scaledBy)
  if (activeSite === null || serves === declared > 0 || !(serves || another)) return []
  const replicas = declared === 1 ? '1 replica' : `${declared} replicas`
  const by = another ? `, set by ${scaledBy}` : ''
  const what = serves
    ? `${workload.kind}/${workload.name} on ${site}, the active site, has no replicas${by}: no user is served`
    : `${workload.kind}/${workload.name} on ${site}, a passive site, has ${replicas}${by}`
  const pause = controllers.find(({ writes }) => writes)?.pause
  const unless = serves ? 'Unless its guard has shut it' : 'Unless it was lost and has come back'
  const first = another && pause !== undefined ? `${pause}. Then` : unless
  const deploy = `standby deploy --only ${name} gives each site the values of its role`
  return [
    codes.finding('replicas-not-of-role', component, { site, severity: 'blocker', what, next: `${first}: ${deploy}` }),
  ]
}

/**
 * A newer image on the passive site migrates the database at its first start, one way and unreviewed. Once a site is
 * lost, that is the lesser evil.
 */
function imagesThatDiffer(component: Application, states: States, intent: Intent | null): Finding[] {
  const images = Object.entries(states).flatMap(([site, seen]) =>
    seen.kind === 'answering' ? [{ site, image: seen.state.workload.image }] : [],
  )
  if (new Set(images.map(({ image }) => image)).size < 2) return []
  return [
    codes.finding('image-differs', component, {
      severity: intent?.mode === 'switchover' ? 'blocker' : 'warning',
      what: `the sites run different images (${images.map(({ site, image }) => `${site}: ${image}`).join(', ')})`,
      next: 'Deploy first: a move must not be a migration.',
    }),
  ]
}

const secretsOf = (states: States): Readonly<Record<string, SecretHashes | null>> =>
  Object.fromEntries(
    Object.entries(states).map(([site, seen]) => [site, seen.kind === 'answering' ? seen.state.secrets : null]),
  )
