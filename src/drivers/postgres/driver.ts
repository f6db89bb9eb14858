import type { Claim } from '../../domain/declaration.ts'
import { type CredentialUse, type Identity, OPERATING } from '../../domain/identities.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { RestoresIn, SiteDriver } from '../../driver/capabilities.ts'
import type { DriverContext, SqlRows } from '../../driver/context.ts'
import { siteError } from '../../errors/standby-error.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { referencesOf } from '../../systems/declared-call/spec.ts'
import { askServer } from './ask.ts'
import { assessFailover, assessRejoin, assessReopen, assessStatus, assessSwitchover } from './assess.ts'
import { folderOf } from './backup/catalogue.ts'
import { testDeclaredRestore } from './backup/declared-restore.ts'
import { backupSteps, dump } from './backup/dump.ts'
import { manifest, manifestSteps } from './backup/manifest.ts'
import { askRestored, testRestore } from './backup/restore-test.ts'
import { catchUp } from './catch-up.ts'
import { codes } from './codes.ts'
import { compare } from './compare.ts'
import { demote } from './demote.ts'
import { drain } from './drain.ts'
import type { ServerState } from './facts.ts'
import { fence } from './fence.ts'
import { follow, rejoin } from './follow.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import {
  failoverSteps,
  fenceSteps,
  followerSteps,
  keptData,
  levelsOf,
  rejoinSteps,
  reopenSteps,
  switchoverSteps,
} from './moves.ts'
import { observeServer } from './observe.ts'
import { open } from './open.ts'
import { followersAhead, gapsOf, predictedLoss } from './position.ts'
import { promote } from './promote.ts'
import {
  callsOf,
  type Database,
  type PostgresSpec,
  postgresSchema,
  problemsOf,
  restoreCallsOf,
  serverName,
} from './spec.ts'

/** A PostgreSQL that others run, on each site: read by SQL, changed by what the user declares, and read back. */
export const postgres: SiteDriver<PostgresSpec, ServerState> = {
  kind: 'postgres',
  scope: 'site',
  // The runner asks it itself: a managed database stands on no platform of ours.
  standsOn: null,
  schema: postgresSchema,
  codes,
  access: () => [],
  claims: claimsOf,
  validate: problemsOf,
  credentials: credentialUses,
  addresses: (component, site) => [`postgresql://${serverName(component, site)}`],
  observe: observeServer,
  assess: {
    status: assessStatus,
    moves: { switchover: assessSwitchover, failover: assessFailover, rejoin: assessRejoin, reopen: assessReopen },
    gaps: (_component, states, activeSite, now) => gapsOf(states, activeSite, now),
  },
  losses: { loss: predictedLoss, ahead: followersAhead },
  liveness: { signals: livenessSignalsOf },
  database: { sql },
  backups: {
    restoresIn: restorePlace,
    backup: (component, _states, site) => [...backupSteps(component, site), ...manifestSteps(component, site)],
    restoreTest: (component, ...how) =>
      component.spec.restore === undefined ? testRestore(component, ...how) : testDeclaredRestore(component, ...how),
  },
  moves: {
    switchover: switchoverSteps,
    failover: failoverSteps,
    rejoin: (component, _states, intent) => rejoinSteps(component, intent),
    reopen: (component, _states, intent) => reopenSteps(component, intent),
    follow: followerSteps,
    keeps: keptData,
  },
  fences: { levels: levelsOf, steps: fenceSteps },
  actions: [demote, fence, catchUp, drain, promote, follow, compare, rejoin, open, dump, manifest],
}

/**
 * Without dumps and without a declared restore, those who run the database prove that it can be restored. A declared
 * restore makes a server of its own, outside of all platforms.
 */
function restorePlace({ spec: { dumps, restore } }: Database): RestoresIn {
  if (restore !== undefined) return 'any-sandbox'
  return dumps === undefined ? 'nowhere' : { platform: HOSTS.platform }
}

function claimsOf(component: Database): Claim[] {
  const { sites, dumps } = component.spec
  return [
    ...Object.keys(sites).map((site) => ({
      key: `postgres ${serverName(component, site)}`,
      path: ['sites', site],
    })),
    ...(dumps === undefined
      ? []
      : [{ key: `archive ${dumps.store}/`, below: folderOf(dumps), path: ['dumps', 'folder'] }]),
  ]
}

/** Rows of a read-only query on the server of a site, or on its restored copy. Throws `sql-silent`, `sql-failed`. */
async function sql(
  component: Database,
  at: SiteName | Sandbox,
  query: string,
  context: DriverContext,
): Promise<SqlRows> {
  if (typeof at !== 'string' && component.spec.restore !== undefined)
    throw siteError('sql-failed', `the restored copy of ${component.name} is removed after its own test`, {
      retry: 'never',
      where: component.name,
    })
  if (typeof at !== 'string') return askRestored(component, at, query, context)
  const answer = await askServer(component, at, [query], { context, signal: context.signal })
  if (answer.is === 'rows') return answer.rows
  throw siteError('sql-failed', `${serverName(component, at)} refuses a query: ${answer.text} (${answer.state})`, {
    retry: 'never',
    where: serverName(component, at),
  })
}

/** Each identity asks by SQL; the mover alone changes a server, and the restore tester makes and removes a copy. */
function credentialUses(component: Database): CredentialUse[] {
  const { password, authority, dumps, restore } = component.spec
  const ofCalls = callsOf(component).flatMap(({ path, call }): CredentialUse[] =>
    referencesOf(call).map((reference) => ({
      reference,
      identities: ['mover'],
      because: `calls ${path.join('.')} of the database`,
    })),
  )
  return [
    { reference: password, identities: OPERATING, because: 'asks the database' },
    ...(authority === undefined
      ? []
      : [{ reference: authority, identities: OPERATING, because: 'verifies the certificate of the database' }]),
    ...(dumps?.as === undefined
      ? []
      : [{ reference: dumps.as.password, identities: ['mover'] as const, because: 'dumps the database' }]),
    ...ofCalls,
    ...restoreCallsOf(component).flatMap(({ path, call }): CredentialUse[] =>
      referencesOf(call).map((reference) => ({
        reference,
        identities: TESTING,
        because: `calls ${path.join('.')} of the database`,
      })),
    ),
    ...(restore?.as === undefined
      ? []
      : [
          {
            reference: restore.as.password,
            identities: TESTING,
            because: 'counts tables, in the database and in its restored copy',
          },
        ]),
    ...(restore?.authority === undefined
      ? []
      : [
          {
            reference: restore.authority,
            identities: TESTING,
            because: 'verifies the certificate of the restored copy',
          },
        ]),
  ]
}
/** The mover runs a restore test that takes a fresh backup first. */
const TESTING: readonly Identity[] = ['mover', 'restore-tester']
