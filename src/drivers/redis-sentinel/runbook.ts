import { quoted } from '../../driver/manual.ts'
import { type Group, groupSiteOf } from './spec.ts'
import { clientCommand, placeOf, type Server } from './wire.ts'

/** Lines for a person. `$REDIS_PASSWORD` and `$SENTINEL_PASSWORD` hold the passwords, where one is declared. */

/** One command to one server, on its machine. */
export function atServer(component: Group, server: Server, words: readonly string[]): string {
  const place = placeOf(component, server)
  const login = component.spec[server.kind]
  const client = [clientCommand(component, place, login), ...words.map(quoted)].join(' ')
  if (login?.password === undefined) return `ssh ${quoted(place.host)} ${inQuotes(client)}`
  const variable = server.kind === 'redis' ? 'REDIS_PASSWORD' : 'SENTINEL_PASSWORD'
  return `printf '%s\\n' "$${variable}" | ssh ${quoted(place.host)} ${inQuotes(`IFS= read -r REDISCLI_AUTH; export REDISCLI_AUTH; ${client}`)}`
}

/** The same to every Redis of a site. */
export const atEachRedis = (component: Group, site: string | null, words: readonly string[]): string[] =>
  site === null
    ? []
    : Object.keys(groupSiteOf(component, site).redis).map((name) =>
        atServer(component, { kind: 'redis', site, name }, words),
      )
/** The same to every Sentinel of a site. */
export const atEachSentinel = (component: Group, site: string | null, words: readonly string[]): string[] =>
  site === null
    ? []
    : Object.keys(groupSiteOf(component, site).sentinels).map((name) =>
        atServer(component, { kind: 'sentinel', site, name }, words),
      )

const inQuotes = (line: string): string => `'${line.replaceAll("'", `'\\''`)}'`
