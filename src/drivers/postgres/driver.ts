import { type CredentialUse, OPERATING } from '../../domain/identities.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { SiteDriver } from '../../driver/capabilities.ts'
import type { DriverContext, SqlRows } from '../../driver/context.ts'
import { askServer } from './ask.ts'
import { assessFailover, assessRejoin, assessReopen, assessStatus, assessSwitchover } from './assess.ts'
import { codes } from './codes.ts'
import type { ServerState } from './facts.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import { observeServer } from './observe.ts'
import { followersAhead, gapsOf, predictedLoss } from './position.ts'
import { type Database, type PostgresSpec, postgresSchema, problemsOf, serverName } from './spec.ts'

/** A PostgreSQL that others run, on each site: read by SQL, changed by what the user declares, and read back. */
export const postgres: SiteDriver<PostgresSpec, ServerState> = {
  kind: 'postgres',
  scope: 'site',
  // The runner asks it itself: a managed database stands on no platform of ours.
  standsOn: null,
  schema: postgresSchema,
  codes,
  access: () => [],
  claims: (component) =>
    Object.keys(component.spec.sites).map((site) => ({
      key: `postgres ${serverName(component, site)}`,
      path: ['sites', site],
    })),
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
  actions: [],
}

/** Rows of a read-only query on the server of a site. Throws `sql-silent`, `sql-failed`. */
async function sql(
  component: Database,
  at: SiteName | Sandbox,
  query: string,
  context: DriverContext,
): Promise<SqlRows> {
  if (typeof at !== 'string') throw new Error('no copy is restored yet')
  const answer = await askServer(component, at, [query], { context, signal: context.signal })
  if (answer.is === 'rows') return answer.rows
  throw codes.error('sql-failed', `${serverName(component, at)} refuses a query: ${answer.text} (${answer.state})`, {
    retry: 'never',
    where: serverName(component, at),
  })
}

/** Everyone asks by SQL; only who moves calls what changes a server. */
function credentialUses({ spec: { password, authority } }: Database): CredentialUse[] {
  return [
    { reference: password, identities: OPERATING, because: 'asks the database' },
    ...(authority === undefined
      ? []
      : [{ reference: authority, identities: OPERATING, because: 'verifies the certificate of the database' }]),
  ]
}
