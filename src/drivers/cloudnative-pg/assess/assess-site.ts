import type { BySite } from '../../../domain/observed.ts'
import type { Finding } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import { managedByOthers } from '../../../platform/kubernetes/managed-by-others.ts'
import { type Say, sayAt } from '../codes.ts'
import { HEALTHY } from '../objects.ts'
import type { CloudNativePgState } from '../observe.ts'
import { clusterOf, type Database } from '../spec.ts'
import { ofArchives } from './assess-archives.ts'
import { ofSettings } from './assess-settings.ts'
import { ofVersions } from './assess-versions.ts'
import type { Severities } from './severities.ts'

/**
 * The restart after a promotion locks new sessions out for as long as an old one stays (measured: 179 s with the
 * default of 180).
 */
const LONGEST_SMART_SHUTDOWN = 5

/** What is wrong with one site's cluster by itself. Pure. */
export function findingsOfSite(
  component: Database,
  site: SiteName,
  states: BySite<CloudNativePgState>,
  severities: Severities,
  assessment: Assessment,
): Finding[] {
  const seen = states[site]
  if (seen === undefined) return []
  const { serving: severity } = severities
  const say = sayAt(component, site)
  const name = clusterOf(component, site)
  if (seen.kind === 'absent' && site === assessment.activeSite) return [missingActive(component, site, states, say)]
  if (seen.kind !== 'answering')
    return [
      {
        ...say(
          'database-silent',
          severity,
          `${name} on ${site} cannot be read: ${seen.why}`,
          seen.kind === 'absent' ? 'Deploy it.' : 'Look at its Kubernetes cluster.',
        ),
        unanswered: true,
      },
    ]
  const state = seen.state
  const found: Finding[] = []
  if (state.fenced)
    found.push(
      say(
        'database-fenced',
        severity,
        `${name} is fenced`,
        'Remove the annotation cnpg.io/fencedInstances if the fence is no longer wanted.',
      ),
    )
  if (state.hibernated)
    found.push(
      say('database-hibernated', severity, `${name} is hibernated`, 'Wake it: annotation cnpg.io/hibernation: off.'),
    )
  // Phase and Ready say "healthy" for a cluster that was cut off, is fenced, or holds a used token: the instance itself
  // is asked too.
  if (state.instance === null)
    found.push({
      ...say(
        'database-not-answering',
        severity,
        `the primary instance of ${name} does not answer`,
        `kubectl cnpg status ${name}`,
      ),
      unanswered: true,
    })
  else if (state.phase !== HEALTHY && !usedToken(state))
    found.push(
      say(
        'database-not-healthy',
        severity,
        `${name} says: ${state.phase}${state.phaseReason === '' ? '' : ` (${state.phaseReason})`}`,
        `kubectl cnpg status ${name}`,
      ),
    )
  if (state.readyInstances < state.instances)
    found.push(
      say(
        'database-not-ready',
        state.readyInstances > 0 ? severities.fewInstances : severity,
        `${state.readyInstances} of ${state.instances} instances of ${name} are ready`,
      ),
    )
  if (usedToken(state))
    found.push(
      say(
        'promotion-token-left',
        severity,
        `${name} is a primary and still has the token that promoted it: the operator stops reconciling it`,
        `kubectl patch cluster ${name} --type merge -p '{"spec":{"replica":{"promotionToken":null}}}'`,
      ),
    )
  found.push(
    ...managedByOthers(state.controllers, severities.otherControllers, {
      object: `Cluster/${name} on ${site}`,
      field: 'spec.replica',
      say,
    }),
  )
  if (state.leftOfSwitch !== null)
    found.push(
      say(
        'database-switch-left',
        'warning',
        `${name} is a primary, and what an interrupted demotion left behind is on it: ${state.leftOfSwitch}`,
        'The next switchover clears it before it demotes. Pause the controller that writes spec.replica back first.',
      ),
    )
  else if (state.inProgress)
    found.push(
      say(
        'database-switching',
        severity,
        `${name} is in the middle of a demotion`,
        'Wait for it, or resume the run that began it.',
      ),
    )
  if (state.currentPrimary !== state.targetPrimary)
    found.push(say('local-switchover', severity, `${name} is switching over inside ${site}`, 'Wait until it is done.'))
  found.push(...ofArchives(state, severities.delaying, say, assessment.now))
  if (state.minApplyDelay)
    found.push(
      say(
        'delayed-replica',
        severity,
        `${name} has minApplyDelay: it excludes a promotion token, and a failover would wait for what is not replayed yet`,
        'Remove spec.replica.minApplyDelay.',
      ),
    )
  if (state.smartShutdownTimeout > LONGEST_SMART_SHUTDOWN)
    found.push(
      say(
        'smart-shutdown-slow',
        'warning',
        `smartShutdownTimeout of ${name} is ${state.smartShutdownTimeout} s: after a promotion one open session locks all new ones out for so long`,
        'Set smartShutdownTimeout: 0 in the cluster file and deploy.',
      ),
    )
  if (state.primaryUpdate.strategy === 'supervised')
    found.push(
      say(
        'restart-supervised',
        severity,
        `${name} has primaryUpdateStrategy: supervised: after a promotion it waits for a person, and archives nothing`,
        'Remove it from the cluster file and deploy.',
      ),
    )
  if (state.primaryUpdate.method !== 'restart')
    found.push(
      say(
        'restart-by-switchover',
        'warning',
        `${name} has primaryUpdateMethod: ${state.primaryUpdate.method}: a promotion is followed by a second one, to another instance`,
        'Set primaryUpdateMethod: restart in the cluster file and deploy.',
      ),
    )
  found.push(...ofVersions(state, say), ...ofSettings(state, severities.delaying, say))
  if (state.unfinishedBackup !== null)
    found.push(
      say(
        'backup-running',
        severities.backupRunning,
        `the backup ${state.unfinishedBackup} of ${name} is not finished`,
        'Wait for it, or delete it if it hangs.',
      ),
    )
  return [...found, ...ofBackups(component, site, state, severities.noBackup, assessment)]
}

/** No deploy makes an empty database in its place: the finding says so before one is tried. */
function missingActive(component: Database, site: SiteName, states: BySite<CloudNativePgState>, say: Say): Finding {
  const name = clusterOf(component, site)
  const copy = Object.entries(states).find(
    ([other, seen]) => other !== site && seen.kind === 'answering' && seen.state.instance?.isPrimary === false,
  )
  return say(
    'active-database-missing',
    'blocker',
    `there is no Cluster ${component.spec.namespace}/${name} on ${site}, the active site`,
    copy === undefined
      ? 'Restore it from its archive: docs/drivers/cloudnative-pg.md#when-the-active-database-is-gone'
      : `Go on with the copy: standby failover plan --mode failover --to ${copy[0]}`,
  )
}

function ofBackups(
  component: Database,
  site: SiteName,
  state: CloudNativePgState,
  missing: Severities['noBackup'],
  assessment: Assessment,
): Finding[] {
  if (site !== assessment.activeSite) return []
  const say = sayAt(component, site)
  if (state.lastBackup === null)
    return [
      say(
        'no-backup',
        missing,
        `${state.cluster} has no completed backup in its archive ${state.serverName ?? ''}`,
        'Run: standby backup',
      ),
    ]
  const age = Date.parse(assessment.now) - Date.parse(state.lastBackup.at)
  return age > assessment.objectives.backupAge
    ? [
        say(
          'backup-old',
          'warning',
          `the last backup of ${state.cluster} ended at ${state.lastBackup.at}`,
          'Look at its ScheduledBackup, or run: standby backup',
        ),
      ]
    : []
}

/**
 * The operator judges and refuses a token on a running primary again and again: PostgreSQL stays writable, the operator
 * stops.
 */
const usedToken = (state: CloudNativePgState): boolean =>
  state.promotionToken !== null && state.instance?.isPrimary === true
