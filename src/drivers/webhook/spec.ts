import type { SpecProblem } from '../../domain/declaration.ts'
import type { Component } from '../../domain/stack.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { duration, siteMap, text } from '../../schema/parts.ts'
import { callProblems, type DeclaredCall, declaredCall } from '../../systems/declared-call/spec.ts'
import { ambiguousValues, siteWithValue } from '../../systems/traffic/declaration.ts'
import { type Milliseconds, parseDuration, seconds } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'

/**
 * Traffic that something outside of the stack routes: DNS, an enterprise router, a load balancer of a cloud. Three
 * declared calls open it, close it and read it back.
 */
export interface WebhookSpec {
  /** What stands for each site in calls and answers: an address, a pool, a name. */
  readonly sites: Readonly<Record<string, string>>
  /** What stands for no site: where users are sent while the data moves. */
  readonly closed: string
  readonly observe: DeclaredCall
  readonly open: DeclaredCall
  readonly close: DeclaredCall
  /** How long users may go on with the former answer, such as the TTL of a DNS record. */
  readonly ttl?: string
  readonly timeout?: string
}
export type Routing = Component<WebhookSpec>

export const webhookSchema: JsonObject = fieldsOf<WebhookSpec>()({
  description:
    'Traffic that something outside of the stack routes: DNS, an enterprise router, a load balancer of a cloud.',
  required: ['sites', 'closed', 'observe', 'open', 'close'],
  properties: {
    sites: siteMap(
      'What stands for the site in calls, as {value}, and in the answer of observe.',
      text('An address, a pool, a name.', { examples: ['192.0.2.10'] }),
    ),
    closed: text('What stands for no site: where users are sent while the data moves.', { examples: ['192.0.2.1'] }),
    observe: declaredCall('Says what users are sent to; changes nothing.', 'read'),
    open: declaredCall('Sends users to the site {site}, which stands for {value}. It may be called twice.'),
    close: declaredCall('Sends users to {value}, which stands for no site. It may be called twice.'),
    ttl: duration(
      'How long users may go on with the former answer: the TTL of a DNS record and what resolvers add. A closed door is believed after this time. Default 0s.',
    ),
    timeout: duration('How long one call may take. Default 30s.'),
  },
})

export const timeoutOf = ({ spec }: Routing): Milliseconds => parseDuration(spec.timeout ?? '30s') ?? seconds(30)
export const ttlOf = ({ spec }: Routing): Milliseconds => parseDuration(spec.ttl ?? '0s') ?? 0

/** The site that a value stands for; `closed`: none, on purpose; null: it stands for nothing that is declared. */
export function siteOf({ spec }: Routing, value: string): string | 'closed' | null {
  if (value === spec.closed) return 'closed'
  return siteWithValue(spec.sites, value)
}

export function valueFor({ name, spec }: Routing, site: string): string {
  const value = spec.sites[site]
  if (value === undefined) throw new Error(`${name} declares nothing for ${site}`)
  return value
}

/** What the schema cannot say. */
export function routingProblems({ spec }: Routing): SpecProblem[] {
  return [
    ...ambiguousValues('sites', spec.sites, spec.closed, 'stands for'),
    ...callProblems(spec.observe, ['observe'], []),
    ...callProblems(spec.open, ['open'], ['site', 'value']),
    ...callProblems(spec.close, ['close'], ['value']),
  ]
}
