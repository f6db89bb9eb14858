import { quoted } from '../../driver/manual.ts'
import { type Database, siteSpecOf, standbyClusterOf } from './spec.ts'

/** Lines for a person. `$LOGIN` is user:password of the REST API. */

/** SQL on the primary of a site, which the reader finds first. */
export const onPrimary = (component: Database, site: string | null, sql: string): string[] => [
  `curl -sS ${anyMember(component, site)}/cluster   # which host has the primary?`,
  `ssh HOST sudo -u ${component.spec.server.user ?? 'postgres'} psql -c ${quoted(sql)}`,
]

/** `standby_cluster` of a site: follow another one, or none. */
export function directing(component: Database, site: string | null, followed: string | null): string[] {
  const value = followed === null ? null : standbyClusterOf(component, site ?? '', followed)
  return [
    `curl -sS ${anyMember(component, site)}/cluster   # which member leads? The next line goes to its api_url`,
    `curl -sS -u "$LOGIN" -X PATCH -d ${quoted(JSON.stringify({ standby_cluster: value }))} LEADER/config`,
  ]
}

/** What every member of a site says of itself. */
export const askingAll = (component: Database, site: string | null): string[] =>
  membersAt(component, site).map((url) => `curl -sS ${url}/patroni`)

const membersAt = (component: Database, site: string | null): string[] =>
  site === null
    ? []
    : Object.values(siteSpecOf(component, site).members).map(({ restApi }) => restApi.replace(/\/$/, ''))
export const anyMember = (component: Database, site: string | null): string => membersAt(component, site)[0] ?? 'MEMBER'
