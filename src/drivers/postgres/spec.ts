import type { SpecProblem } from '../../domain/declaration.ts'
import type { Component, CredentialReference, SiteName, Stack } from '../../domain/stack.ts'
import type { LocationOf } from '../../driver/assessment.ts'
import { declaredHosts } from '../../platform/hosts/declared-hosts.ts'
import { sandboxProblem } from '../../platform/hosts/sandbox-problem.ts'
import { fieldsOf, type Schema } from '../../schema/fields.ts'
import { credentialReference, duration, folder, hostName, siteMap, text } from '../../schema/parts.ts'
import { callProblems, type DeclaredCall, declaredCall } from '../../systems/declared-call/spec.ts'
import { type Milliseconds, minutes, parseDuration, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'

/**
 * A PostgreSQL that others run, managed or by hand: Standby reads it by SQL, and changes it by what the user declares.
 * One server per site; the passive ones stream from the active one.
 */
export interface PostgresSpec {
  /** Which the questions go to; a role with pg_monitor asks them. */
  readonly database: string
  readonly user: string
  readonly password: CredentialReference
  /** Default `verify-full`. */
  readonly tls?: 'verify-full' | 'off'
  readonly authority?: CredentialReference
  readonly sites: Readonly<Record<string, PostgresSite>>
  readonly demote?: DeclaredCall
  readonly promote: 'sql' | DeclaredCall
  readonly follow?: DeclaredCall
  readonly rejoin?: DeclaredCall
  readonly fence?: DeclaredFence
  readonly dumps?: DeclaredDumps
  readonly restore?: DeclaredRestore
  /** Of one declared call. */
  readonly timeout?: string
  /** Of the effect of one declared call. */
  readonly within?: string
}
export interface PostgresSite {
  readonly host: string
  readonly port?: number
  /** Further placeholders of calls about this site, such as the name of its instance. */
  readonly values?: Readonly<Record<string, string>>
}
export interface DeclaredFence {
  readonly shut: DeclaredCall
  readonly open: DeclaredCall
  readonly isShut?: { readonly ask: DeclaredCall; readonly says: string }
  /** `outside-sites`: it needs nothing of the site that it shuts. */
  readonly through: 'outside-sites' | 'site'
  /** Users are kept out, and the questions of Standby are not: by SQL it proves that no session of others is left. */
  readonly keepsStandbyIn?: boolean
}
/** Where dumps of the database lie, who takes them, and what is counted in them. */
export interface DeclaredDumps {
  /** The object-store component; each site has a store of its own. */
  readonly store: string
  /** Below the prefix of the store. */
  readonly folder: string
  readonly tables: readonly string[]
  /** By site: the machine that takes a dump. Absent: others take them. */
  readonly takenOn?: Readonly<Record<string, string>>
  /** Who dumps; absent: the role that asks. */
  readonly as?: { readonly user: string; readonly password: CredentialReference }
  /** On those machines; default /var/tmp. */
  readonly directory?: string
}
/** How others restore their backups into a server of its own, which a restore test judges by SQL and has removed. */
export interface DeclaredRestore {
  readonly begin: DeclaredCall
  /** Its answer is read by `backup/copy-answer.ts`. */
  readonly state: DeclaredCall
  readonly end: DeclaredCall
  /** Counted by `standby backup` on the active server, and again in each restored one. */
  readonly tables: readonly string[]
  /** Who asks the restored server and counts; absent: the role that asks. */
  readonly as?: { readonly user: string; readonly password: CredentialReference }
  /** Of the restored server; absent: that of the database. */
  readonly authority?: CredentialReference
  /** Until the restored server answers, and until it is removed. */
  readonly within?: string
}
export type Database = Component<PostgresSpec>

const NAME = '^[A-Za-z_][-A-Za-z0-9_]{0,62}$'

/** What every call knows: the site that it acts on, the other end of the move, and what that site declares. */
const PLACES = ['site', 'host', 'port', 'peer', 'peerHost', 'peerPort'] as const
/** What the calls of a declared restore know beside them: the name of the restored server. */
const COPY = 'copy'

/** A role that reads all tables. */
const reader = (description: string): Schema<{ readonly user: string; readonly password: CredentialReference }> =>
  fieldsOf<{ readonly user: string; readonly password: CredentialReference }>()({
    description,
    type: 'object',
    required: ['user', 'password'],
    additionalProperties: false,
    properties: {
      user: text('Its name.', { pattern: NAME }),
      password: { ...credentialReference, description: 'Its password.' },
    },
  })
const countedTables = (description: string) => ({
  description,
  type: 'array' as const,
  minItems: 1,
  items: { type: 'string' as const, minLength: 1 },
  examples: [['orders', 'audit.logs']],
})

const promotion: Schema<'sql' | DeclaredCall> = {
  description:
    'How the replica of {site} becomes the primary: sql, by pg_promote() of a role that may call it; or a call.',
  anyOf: [{ const: 'sql' }, declaredCall('Promotes the server of {site}.')],
}

export const postgresSchema: JsonObject = fieldsOf<PostgresSpec>()({
  description:
    'A PostgreSQL that others run, one server per site: read by SQL, demoted, promoted and fenced by declared programs or HTTP calls.',
  required: ['database', 'user', 'password', 'sites', 'promote'],
  properties: {
    database: text('The database that is asked.', { pattern: NAME }),
    user: text('The role that asks, a member of pg_monitor.', { pattern: NAME }),
    password: { ...credentialReference, description: 'Its password.' },
    tls: {
      description: 'verify-full: the certificate must be trusted and name the host (default). off: no TLS.',
      enum: ['verify-full', 'off'],
    },
    authority: {
      ...credentialReference,
      description: "Certificates (PEM) of a private authority; the system's own when absent.",
    },
    sites: siteMap(
      'The server of each site.',
      fieldsOf<PostgresSite>()({
        type: 'object',
        required: ['host'],
        additionalProperties: false,
        properties: {
          host: hostName('Name or address at which this process reaches it, past any pooler.'),
          port: { description: 'Default 5432.', type: 'integer', minimum: 1, maximum: 65535 },
          values: {
            description: 'Further placeholders of the calls that act on this site.',
            type: 'object',
            propertyNames: { pattern: '^[A-Za-z]+$' },
            additionalProperties: { type: 'string', minLength: 1 },
            examples: [{ instance: 'app-dc-a', region: 'eu-central-1' }],
          },
        },
      }),
    ),
    demote: declaredCall(
      'Makes the primary of {site} a replica that streams from {peerHost}. It may be called twice. A server in recovery is the proof.',
    ),
    promote: promotion,
    follow: declaredCall(
      'Has the replica of {site} stream from {peerHost} from now on, on its newest timeline. It may be called twice.',
    ),
    rejoin: declaredCall(
      'Makes the server of {site} anew as a replica of {peerHost}, from nothing or by pg_rewind: what only it holds goes. It may be called twice.',
    ),
    fence: fieldsOf<DeclaredFence>()({
      description: 'Keeps the server of a site from taking writes, and opens it again.',
      type: 'object',
      required: ['shut', 'open', 'through'],
      additionalProperties: false,
      properties: {
        shut: declaredCall('Shuts the server of {site}. It may be called twice.'),
        open: declaredCall('Opens the server of {site} again. It may be called twice.'),
        isShut: fieldsOf<NonNullable<DeclaredFence['isShut']>>()({
          description: 'A question whose answer proves that it is shut; changes nothing.',
          type: 'object',
          required: ['ask', 'says'],
          additionalProperties: false,
          properties: {
            ask: declaredCall('Asks how the server of {site} is.', 'read'),
            says: text(
              'The answer of a server that is shut; a position after it, as in `stopped 0/5000060`, says where its WAL ends.',
            ),
          },
        }),
        through: {
          description:
            'outside-sites: the calls need nothing of the site that is shut, such as the interface of a cloud. site: they go through it, such as ssh to its host, and are tried only where its database answers.',
          enum: ['outside-sites', 'site'],
        },
        keepsStandbyIn: {
          description:
            'The fence keeps users out and lets the questions of Standby in: then SQL proves that no session of others is left, and where the WAL ends.',
          type: 'boolean',
        },
      },
    }),
    dumps: fieldsOf<DeclaredDumps>()({
      description:
        'Dumps of the database (pg_dump --format=custom) in an object store, and what a restore test of them counts.',
      type: 'object',
      required: ['store', 'folder', 'tables'],
      additionalProperties: false,
      properties: {
        store: text('The object-store component of this stack.'),
        folder: folder(
          'Where they lie, below the prefix of the store: <anything>.dump of others, or what standby backup leaves.',
          'without-slash',
        ),
        tables: countedTables(
          'What is counted when a dump is taken, and again after each restore. One of them holds rows.',
        ),
        takenOn: siteMap(
          'The machine of each site, among those of its hosts, that takes a dump for standby backup. It has psql and pg_dump, and reaches the server. Absent: others take the dumps.',
          text('Its name in the stack file.'),
        ),
        as: reader('The role that dumps, which reads all tables. Default: the role that asks.'),
        directory: text('Where a dump lies on that machine until it is stored. Default /var/tmp.', {
          pattern: '^(/[-A-Za-z0-9_.]+)+$',
        }),
      },
    }),
    restore: fieldsOf<DeclaredRestore>()({
      description:
        'How the backups of a managed database are restored into a server of its own, which a restore test judges by SQL. {copy} is its name, {site} the site whose backups are restored, {peer} the one that runs the test.',
      type: 'object',
      required: ['begin', 'state', 'end', 'tables'],
      additionalProperties: false,
      properties: {
        begin: declaredCall(
          'Begins to restore the newest backup of {site} into a new server {copy}. It may be called twice.',
        ),
        state: declaredCall(
          'Says how {copy} is. `host=… port=… database=… takenAt=…`: it serves there, and has the data of that time (ISO 8601). `failed …`: it never will. Anything else: not yet.',
          'read',
        ),
        end: declaredCall('Removes {copy}, also where there is none. It may be called twice.'),
        tables: countedTables(
          'What standby backup counts on the active server, and each restore test in the restored one. One of them holds rows.',
        ),
        as: reader('The role that counts, which reads all tables. Default: the role that asks.'),
        authority: {
          ...credentialReference,
          description: "Certificates (PEM) of the restored server's authority. Default: those of the database.",
        },
        within: duration(
          'How long a restore may take until its server answers, and how long its removal. Default 30m.',
        ),
      },
    }),
    timeout: duration('How long one declared call may take. Default 60s.'),
    within: duration('How long the effect of a declared call may take. Default 10m.'),
  },
})

export const timeoutOf = ({ spec }: Database): Milliseconds => parseDuration(spec.timeout ?? '60s') ?? seconds(60)
export const withinOf = ({ spec }: Database): Milliseconds => parseDuration(spec.within ?? '10m') ?? minutes(10)

export const restoreWithin = ({ spec: { restore } }: Database): Milliseconds =>
  parseDuration(restore?.within ?? '30m') ?? minutes(30)

export function siteSpecOf({ name, spec }: Database, site: SiteName | string): PostgresSite {
  const declared = spec.sites[site]
  if (declared === undefined) throw new Error(`${name} declares no server for ${site}`)
  return declared
}
export const portOf = (component: Database, site: SiteName | string): number => siteSpecOf(component, site).port ?? 5432

/** As people know it: `db.dc-a.example.com:5432`. */
export const serverName = (component: Database, site: SiteName | string): string =>
  `${siteSpecOf(component, site).host}:${portOf(component, site)}`

/** What fills the placeholders of a call about `site`; `peer`: the other end of the move. */
export function valuesOf(
  component: Database,
  site: SiteName | string,
  peer: SiteName | string,
): Readonly<Record<string, string>> {
  const [here, there] = [siteSpecOf(component, site), siteSpecOf(component, peer)]
  return {
    ...here.values,
    site,
    host: here.host,
    port: String(portOf(component, site)),
    peer,
    peerHost: there.host,
    peerPort: String(portOf(component, peer)),
  }
}

/** Every declared call, with its path. */
export function callsOf({ spec }: Database): readonly {
  readonly path: readonly string[]
  readonly call: DeclaredCall
}[] {
  const { demote, promote, follow, rejoin, fence } = spec
  const at = (path: readonly string[], call: DeclaredCall | undefined) => (call === undefined ? [] : [{ path, call }])
  return [
    ...at(['demote'], demote),
    ...at(['promote'], promote === 'sql' ? undefined : promote),
    ...at(['follow'], follow),
    ...at(['rejoin'], rejoin),
    ...at(['fence', 'shut'], fence?.shut),
    ...at(['fence', 'open'], fence?.open),
    ...at(['fence', 'isShut', 'ask'], fence?.isShut?.ask),
  ]
}

/** The calls of a declared restore, with their paths. */
export function restoreCallsOf({ spec: { restore } }: Database): ReturnType<typeof callsOf> {
  if (restore === undefined) return []
  return (['begin', 'state', 'end'] as const).map((name) => ({ path: ['restore', name], call: restore[name] }))
}

/** What the schema cannot say. */
export function problemsOf(component: Database, stack: Stack, objectStore: LocationOf): SpecProblem[] {
  const { sites, tls, authority, fence, dumps, restore } = component.spec
  const perSite = Object.values(sites).map(({ values }) => Object.keys(values ?? {}))
  const [first = [], ...others] = perSite
  const everywhere = first.filter((name) => others.every((names) => names.includes(name)))
  const known = [...PLACES, ...everywhere]
  return [
    ...dumpProblems(component, stack, objectStore),
    ...callsOf(component).flatMap(({ path, call }) => callProblems(call, path, known)),
    ...restoreCallsOf(component).flatMap(({ path, call }) => callProblems(call, path, [...known, COPY])),
    ...(dumps !== undefined && restore !== undefined
      ? [{ path: ['restore'], what: 'and dumps; a restore test takes one kind of backup: keep one of the two' }]
      : []),
    ...Object.entries(sites).flatMap(([site, { values = {} }]) =>
      Object.keys(values)
        .filter((name) => [...PLACES, COPY].some((place) => place === name))
        .map((name) => ({
          path: ['sites', site, 'values', name],
          what: `{${name}} is a placeholder of every call: name it otherwise`,
        })),
    ),
    ...(tls === 'off' && authority !== undefined
      ? [{ path: ['authority'], what: 'and tls: off; without TLS nothing is verified' }]
      : []),
    ...(tls === 'off'
      ? [
          {
            path: ['tls'],
            what: 'rows travel unencrypted, and another server can pretend to be this one',
            severity: 'warning' as const,
          },
        ]
      : []),
    ...(fence !== undefined && fence.isShut === undefined && fence.keepsStandbyIn !== true
      ? [
          {
            path: ['fence', 'isShut'],
            what: 'is missing: a server that gives no answer is no proof that it is shut, so this fence holds only where the server answers as a replica',
            severity: 'warning' as const,
          },
        ]
      : []),
  ]
}

/** A store that is none, a machine that is not declared, and a site without a sandbox. */
function dumpProblems({ spec }: Database, { sites }: Stack, objectStore: LocationOf): SpecProblem[] {
  const { dumps } = spec
  if (dumps === undefined) return []
  return sites.flatMap((site): SpecProblem[] => {
    const hosts = declaredHosts(site)
    const machine = dumps.takenOn?.[site.name]
    return [
      ...(objectStore(dumps.store, site.name) === null
        ? [{ path: ['dumps', 'store'], what: `${dumps.store} is no object store of ${site.name}` }]
        : []),
      ...(machine === undefined || hosts?.machines[machine] !== undefined
        ? []
        : [
            {
              path: ['dumps', 'takenOn', site.name],
              what: `${site.name} declares no host ${machine}`,
              candidates: Object.keys(hosts?.machines ?? {}),
            },
          ]),
      ...sandboxProblem(site, ['dumps'], 'dump'),
    ]
  })
}

/** Of a component that declares them. */
export const dumpsOf = ({ name, spec: { dumps } }: Database): DeclaredDumps => {
  if (dumps === undefined) throw new Error(`${name} declares no dumps`)
  return dumps
}

/** Of a component that declares it. */
export const restoreOf = ({ name, spec: { restore } }: Database): DeclaredRestore => {
  if (restore === undefined) throw new Error(`${name} declares no restore`)
  return restore
}
