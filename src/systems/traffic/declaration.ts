import type { SpecProblem } from '../../domain/declaration.ts'
import { fieldsOf, type Schema } from '../../schema/fields.ts'
import { credentialReference, hostName, MEANS, type Meaning, text } from '../../schema/parts.ts'
import type { HostInstance, HostLogin } from './hosts.ts'
import type { Verification } from './load-balancers.ts'

/** What stands in a configuration or a map unquoted: no white space, no quote, no separator. */
export const TRAFFIC_VALUE = '^[A-Za-z0-9_.:-]+$'

export const hostInstances: Schema<readonly HostInstance[]> = {
  description: 'All instances; a switch that does not reach every one of them is not done.',
  type: 'array',
  minItems: 1,
  items: fieldsOf<HostInstance>()({
    type: 'object',
    required: ['host', 'url'],
    additionalProperties: false,
    properties: {
      host: hostName('Name or address, for ssh.'),
      url: text('A URL of the application through this instance.', { pattern: '^https?://[^\\s\'"]+$' }),
      site: text(
        'The site in which it stands, and with which it is lost: a failover from there does not wait for it. Absent: outside all sites.',
        { [MEANS]: 'site' satisfies Meaning },
      ),
    },
  }),
}

/** `user`: what the user on the hosts may do. */
export const hostLogin = (user: string): Schema<HostLogin> =>
  fieldsOf<HostLogin>()({
    description: 'How the instances are reached. Host keys are checked.',
    type: 'object',
    required: ['user', 'privateKey', 'knownHosts'],
    additionalProperties: false,
    properties: {
      user: text(user, { pattern: '^[A-Za-z_][-A-Za-z0-9_.]*$' }),
      port: { description: 'Port of sshd. Default 22.', type: 'integer', minimum: 1, maximum: 65535 },
      privateKey: credentialReference,
      knownHosts: credentialReference,
    },
  })

/** `header`: how the response header that names the serving site is set. */
export const verification = (header: string): Schema<Verification> =>
  fieldsOf<Verification>()({
    description: 'How a switch is verified from outside.',
    type: 'object',
    required: ['header'],
    additionalProperties: false,
    properties: {
      header: text(header, { pattern: "^[-A-Za-z0-9!#$%&'*+.^_`|~]+$" }),
      answers: {
        description: 'How many answers in a row must come from the new site, through every instance. Default 3.',
        type: 'integer',
        minimum: 1,
        maximum: 100,
      },
    },
  })

/**
 * With one value for two sites, or one for closed doors, no value says which site serves. `field`: where the values are
 * declared; `is`: what stands between a value and the site that has it already, such as `is the backend of`.
 */
export function ambiguousValues(
  field: string,
  values: Readonly<Record<string, string>>,
  closed: string,
  is: string,
): SpecProblem[] {
  const sites = Object.entries(values)
  return sites.flatMap(([site, value], index): SpecProblem[] => {
    const path = [field, site]
    if (value === closed) return [{ path, what: `${value} stands for closed doors (closed)` }]
    const other = sites.slice(0, index).find(([, before]) => before === value)
    return other === undefined
      ? []
      : [{ path, what: `${value} ${is} ${other[0]} already: it would not say which site serves` }]
  })
}

/** The site that a value stands for; null for the closed value, and for values of others. */
export const siteWithValue = (values: Readonly<Record<string, string>>, value: string | null): string | null =>
  Object.entries(values).find(([, one]) => one === value)?.[0] ?? null
