import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { SiteDriver } from '../../driver/capabilities.ts'
import type { DriverContext, SqlRows } from '../../driver/context.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { actions } from './actions.ts'
import { assessFailover, assessRejoin, assessStatus, assessSwitchover, gapsOf } from './assess/assess.ts'
import { backupSteps } from './backup/backup.ts'
import { askRestored, testRestore } from './backup/restore-test.ts'
import { codes } from './codes.ts'
import { fenceSteps } from './failover/fence.ts'
import { anotherAhead, predictedLoss } from './failover/loss.ts'
import { failoverSteps } from './failover/promote-lost.ts'
import { guardedUnits } from './guarded-units.ts'
import { hostOf } from './host.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import { followerSteps } from './move/redirect.ts'
import { keptData, switchoverSteps } from './move/switchover.ts'
import { among, askMembers, headOf, observePatroni, type PatroniState } from './observe.ts'
import { rejoinSteps } from './rejoin/rejoin.ts'
import { assessReopen, reopenSteps } from './reopen.ts'
import {
  addressesOf,
  claimsOf,
  clusterNamed,
  credentialUses,
  type Database,
  isStretched,
  type PatroniSpec,
  patroniProblems,
  patroniSchema,
} from './spec.ts'
import {
  assessStretchedFailover,
  assessStretchedRejoin,
  assessStretchedSwitchover,
  stretchedStatus,
} from './stretched/assess.ts'
import { stretchedData, stretchedFailover, stretchedSwitchover } from './stretched/moves.ts'
import { takenOver } from './stretched/taken-over.ts'

/** PostgreSQL on hosts, run by Patroni: one cluster for each site, and those of passive sites are standby clusters. */
export const patroni: SiteDriver<PatroniSpec, PatroniState> = {
  kind: 'patroni',
  scope: 'site',
  standsOn: HOSTS.platform,
  schema: patroniSchema,
  codes,
  claims: claimsOf,
  validate: patroniProblems,
  credentials: credentialUses,
  access: () => [],
  addresses: addressesOf,
  observe: observePatroni,
  assess: {
    status: byTopology(assessStatus, stretchedStatus),
    moves: {
      switchover: byTopology(assessSwitchover, assessStretchedSwitchover),
      failover: byTopology(assessFailover, assessStretchedFailover),
      rejoin: byTopology(assessRejoin, assessStretchedRejoin),
      reopen: (component, states, intent, around) =>
        isStretched(component.spec)
          ? stretchedStatus(component, states, around)
          : assessReopen(component, states, intent),
    },
    gaps: (_component, states, activeSite, now) => gapsOf(states, activeSite, now),
  },
  moves: {
    switchover: byTopology(
      (component, states, intent) => [
        ...switchoverSteps(component, states, intent),
        ...backupSteps(component, intent.to),
      ],
      (component, _states, intent) => stretchedSwitchover(component, intent),
    ),
    failover: byTopology(
      (component, states, intent) => [
        ...failoverSteps(component, states, intent),
        ...backupSteps(component, intent.to),
      ],
      (component, _states, intent) => stretchedFailover(component, intent),
    ),
    // Patroni has the members of a cluster over all sites follow by itself.
    rejoin: byTopology(rejoinSteps, () => []),
    reopen: (component, _states, intent) => (isStretched(component.spec) ? [] : reopenSteps(component, intent)),
    follow: byTopology(followerSteps, () => []),
    keeps: byTopology(keptData, stretchedData),
  },
  // Of a cluster over all sites the lock is the fence: its steps are those of the move itself.
  fences: { levels: () => ['database'], steps: byTopology(fenceSteps, () => []) },
  movesByItself: { takenOver },
  guardedUnits,
  liveness: { signals: livenessSignalsOf },
  losses: { loss: predictedLoss, ahead: anotherAhead },
  database: { sql },
  backups: {
    // Without them it is for those who run it to prove that it can be restored.
    restoresIn: ({ spec: { backups } }) => (backups === undefined ? 'nowhere' : { platform: HOSTS.platform }),
    backup: (component, _states, site) => backupSteps(component, site),
    restoreTest: testRestore,
  },
  actions,
}

/** One function for a cluster at each site, and one for a cluster over all of them. */
function byTopology<Args extends readonly unknown[], Answer>(
  each: (component: Database, ...args: Args) => Answer,
  over: (component: Database, ...args: Args) => Answer,
): (component: Database, ...args: Args) => Answer {
  return (component, ...args) => (isStretched(component.spec) ? over : each)(component, ...args)
}

/**
 * Rows of a read-only query on the primary of a site, on the standby leader of a passive one, or on a restored copy.
 * Throws `patroni-unlocked` where the site has neither, and `sql-failed` where the copy refuses it.
 */
async function sql(
  component: Database,
  at: SiteName | Sandbox,
  query: string,
  context: DriverContext,
): Promise<SqlRows> {
  if (typeof at !== 'string') return askRestored(component, at, query, context)
  const site = at
  const members = await askMembers(component, site, context, { signal: context.signal })
  const leader = headOf(among(component, members))
  if (leader === null)
    throw codes.error('patroni-unlocked', `${clusterNamed(component, site)} has no leader that could be asked`, {
      retry: 'transient',
      where: site,
      unanswered: true,
    })
  const readOnly = `SET default_transaction_read_only = on;\n${query};`
  return hostOf(component, site, leader.name, context, context.signal).sql(component.spec.database, readOnly)
}
