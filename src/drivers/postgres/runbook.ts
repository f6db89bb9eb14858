import type { SiteName } from '../../domain/stack.ts'
import type { ByHand } from '../../driver/action.ts'
import { awsS3, quoted } from '../../driver/manual.ts'
import { lineOf } from '../../systems/declared-call/by-hand.ts'
import type { DeclaredCall } from '../../systems/declared-call/spec.ts'
import type { JsonObject } from '../../values/json.ts'
import { folderOf } from './backup/catalogue.ts'
import { type Database, type PostgresSpec, portOf, siteSpecOf, valuesOf } from './spec.ts'

/** The declared call, as one line of a shell. */
const line = (component: Database, call: DeclaredCall, site: string, peer: string): string =>
  lineOf(call, valuesOf(component, site, peer))

/** psql, with the password in PGPASSWORD and the certificates in the file $CA. */
const psql = (component: Database, site: string, query: string): string =>
  `psql "${connectionOf(component, site).place}" -Atc ${quoted(query)}`

/** How libpq reaches the server of a site. */
function connectionOf(
  component: Database,
  site: string,
  role?: string,
): { readonly user: string; readonly place: string } {
  const { database, tls, authority, user } = component.spec
  const as = role ?? user
  const verified =
    tls === 'off' ? 'sslmode=disable' : `sslmode=verify-full sslrootcert=${authority === undefined ? 'system' : '$CA'}`
  const place = `host=${siteSpecOf(component, site).host} port=${portOf(component, site)} dbname=${database} user=${as}`
  return { user: as, place: `${place} ${verified}` }
}

const POSITION =
  'SELECT pg_is_in_recovery(), pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_last_xact_replay_timestamp()'

type Say<Parameters extends JsonObject> = ByHand<PostgresSpec, Parameters>

const siteOf = (site: string | null): string => site ?? ''

export const byHandDemote: Say<{ readonly peer: string }> = {
  say(component, { site, parameters: { peer } }) {
    const { demote } = component.spec
    if (demote === undefined) return null
    return {
      commands: [line(component, demote, siteOf(site), peer), psql(component, siteOf(site), POSITION)],
      expect: 'The answer begins with t: the server is in recovery. Write down the third value: there its WAL ends.',
      never: 'Go on while it answers f, or not at all: it may take writes that are lost.',
    }
  },
}

export const byHandFence: Say<{ readonly site: string; readonly peer: string }> = {
  say(component, { parameters: { site, peer } }) {
    const { fence } = component.spec
    if (fence === undefined) return null
    const proof =
      fence.isShut === undefined ? psql(component, site, POSITION) : line(component, fence.isShut.ask, site, peer)
    return {
      commands: [line(component, fence.shut, site, peer), proof],
      expect:
        fence.isShut === undefined
          ? 'The answer begins with t: the server is in recovery.'
          : `The last answer is ${fence.isShut.says}.`,
      never: 'Take a server that refuses connections for one that is shut: others may reach it.',
    }
  },
}

export const byHandCatchUp: Say<JsonObject> = {
  say: (component, { site }) => ({
    commands: [psql(component, siteOf(site), POSITION)],
    expect: 'The third value has reached the position at which the WAL of the old primary ends.',
    never: 'Promote it before: what lies between is lost.',
  }),
}

export const byHandDrain: Say<JsonObject> = {
  say: (component, { site }) => ({
    commands: [psql(component, siteOf(site), POSITION)],
    expect:
      'The third value has reached the second one, or stands still. Write down the third and the fourth: what came after them is lost.',
  }),
}

export const byHandPromote: Say<{ readonly peer: string }> = {
  say(component, { site, parameters: { peer } }) {
    const { promote } = component.spec
    const promotion =
      promote === 'sql'
        ? psql(component, siteOf(site), 'SELECT pg_promote()')
        : line(component, promote, siteOf(site), peer)
    return {
      commands: [
        promotion,
        psql(component, siteOf(site), 'SELECT pg_is_in_recovery(), pg_walfile_name(pg_current_wal_lsn())'),
      ],
      expect: 'The answer begins with f, and the first eight digits of the file are a timeline above the one before.',
      never: `Do this before ${peer} is shut out as the plan demands, and the witness names the new site: it could still accept writes.`,
    }
  },
}

const STREAMS = 'SELECT pg_is_in_recovery(), received_tli, status, sender_host FROM pg_stat_wal_receiver'

export const byHandFollow: Say<{ readonly peer: string }> = {
  say(component, { site, parameters: { peer } }) {
    const { follow } = component.spec
    return {
      commands: [
        ...(follow === undefined ? [] : [line(component, follow, siteOf(site), peer)]),
        psql(component, siteOf(site), STREAMS),
      ],
      expect: 'It is in recovery, on the timeline of the new primary, and streaming from it.',
    }
  },
}

export const byHandRejoin: Say<{ readonly peer: string }> = {
  say(component, { site, parameters: { peer } }) {
    const call = component.spec.rejoin ?? component.spec.follow
    if (call === undefined) return null
    return {
      commands: [line(component, call, siteOf(site), peer), psql(component, siteOf(site), STREAMS)],
      expect: 'It is in recovery, on the timeline of the primary, and streaming from it.',
      never: 'Do this before you have saved what only this server holds, if you may need it: it goes.',
    }
  },
}

export const byHandCompare: Say<{ readonly peer: string }> = {
  say: (component, { site, parameters: { peer } }) => ({
    commands: [
      psql(component, siteOf(site), 'SELECT pg_is_in_recovery(), timeline_id, redo_lsn FROM pg_control_checkpoint()'),
      psql(component, peer, 'SELECT timeline_id, pg_current_wal_lsn() FROM pg_control_checkpoint()'),
    ],
    expect:
      'Write down both answers: what the first server has beyond the fork, which stands in the .history file of the second one, goes.',
  }),
}

export const byHandOpen: Say<JsonObject> = {
  say(component, { site }) {
    const { fence } = component.spec
    if (fence === undefined) return null
    return {
      commands: [
        line(component, fence.open, siteOf(site), siteOf(site)),
        psql(component, siteOf(site), "SELECT pg_logical_emit_message(true, 'standby', 'opened')"),
      ],
      expect: 'The last answer is a position.',
      never: 'Open it while the witness names another site.',
    }
  },
}

export const byHandDump: Say<{ readonly machine: string }> = {
  say(component, { site, parameters: { machine } }, around) {
    const { dumps, database } = component.spec
    if (dumps === undefined || site === null) return null
    const { user, place } = connectionOf(component, site, dumps.as?.user)
    const location = around.objectStore(dumps.store, site as SiteName)
    const to = `s3://${location.bucket}/${location.prefix}${folderOf(dumps)}by-hand.dump`
    return {
      commands: [
        `pg_dump "${place}" --format=custom --file=by-hand.dump   # on ${machine}, as ${user}`,
        `pg_restore --list by-hand.dump | head   # dbname: ${database}`,
        `${awsS3(location, site)} s3 cp by-hand.dump ${quoted(to)}`,
      ],
      expect:
        'The listing names the database. A restore test takes this dump, and counts at least what an earlier one had.',
    }
  },
}

export const byHandManifest: Say<JsonObject> = {
  say(component, { site }) {
    const { restore } = component.spec
    if (restore === undefined || site === null) return null
    return {
      commands: restore.tables.map((table) => psql(component, site, `SELECT count(*) FROM ${table}`)),
      expect:
        'Write the counts down with the time. Restore tests judge by the manifest of the next backup that Standby takes.',
    }
  },
}
