import type { Finding } from '../../../domain/plan.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Assessment } from '../../../driver/assessment.ts'
import { hours, type Milliseconds, readableDuration } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import type { Known } from '../known.ts'
import type { ConsulState } from '../observe.ts'
import { datacenterNamed, datacenterOf, type Federation, gatewayService } from '../spec.ts'

type Code = keyof typeof codes.table
/** What is wrong with one datacenter, before anything is said of how much that matters. */
export type Trouble = {
  readonly code: Code
  readonly what: string
  readonly next: string
  readonly unanswered?: true
}

const SOON: Milliseconds = 14 * hours(24)

/** What is wrong with the datacenter of a site, as it says itself. Pure. */
export function troublesOf(
  component: Federation,
  site: SiteName,
  state: ConsulState,
  { now }: Pick<Assessment, 'now'>,
): Trouble[] {
  return [
    ...identityOf(component, site, state),
    ...serversOf(component, site, state),
    ...rightsOf(component, site, state),
    ...expiring(component, site, state, now),
    ...servicesOf(component, site, state),
    ...gatewaysOf(component, site, state),
    ...queriesOf(site, state),
  ]
}

function identityOf(component: Federation, site: SiteName, { agent, server }: ConsulState): Trouble[] {
  const declared = datacenterOf(component, site)
  const { primary } = component.spec
  const primaryDatacenter = primary === undefined ? null : datacenterOf(component, primary)
  return [
    ...(agent.datacenter === declared
      ? []
      : [
          {
            code: 'consul-other-datacenter' as const,
            what: `${server} belongs to ${agent.datacenter}, and ${declared} is declared for ${site}`,
            next: 'Correct servers or datacenter in the stack file.',
          },
        ]),
    ...(primaryDatacenter === null || agent.primaryDatacenter === '' || agent.primaryDatacenter === primaryDatacenter
      ? []
      : [
          {
            code: 'consul-other-primary' as const,
            what: `${agent.datacenter} has ${agent.primaryDatacenter} as its primary datacenter, and ${primaryDatacenter} is declared`,
            next: 'Correct primary in the stack file, or primary_datacenter of the servers.',
          },
        ]),
  ]
}

function serversOf(component: Federation, site: SiteName, state: ConsulState): Trouble[] {
  const named = datacenterNamed(component, site)
  const { leader, autopilot, silentServers } = state
  const silent = Object.entries(silentServers).map(
    ([server, why]): Trouble => ({
      code: 'consul-silent',
      what: `${server} of ${named} does not answer: ${why}`,
      next: 'Look at that server.',
      unanswered: true,
    }),
  )
  if (leader.is === 'known' && leader.value === null)
    return [
      ...silent,
      {
        code: 'consul-no-leader',
        what: `${named} has no leader: it takes no write and no query`,
        next: 'Start its servers: more than half of those that were joined must run. `peers.json` gives up what the others had.',
        unanswered: true,
      },
    ]
  if (autopilot.is === 'unknown') return silent
  const { isHealthy, failureTolerance, servers } = autopilot.value
  const ill = servers.filter((one) => !one.isHealthy)
  const voters = servers.filter(({ isVoter }) => isVoter).length
  return [
    ...silent,
    ...(isHealthy
      ? []
      : [
          {
            code: 'consul-unhealthy' as const,
            what: `autopilot of ${named} calls ${ill.map(({ name }) => name).join(', ') || 'itself'} unhealthy`,
            next: 'Look at `consul operator autopilot state`.',
          },
        ]),
    ...(failureTolerance > 0
      ? []
      : [
          {
            code: 'consul-no-tolerance' as const,
            what: `${named} has ${voters} ${voters === 1 ? 'server that votes' : 'servers that vote'}: without one more of them it has no leader`,
            next: 'Run three servers in each datacenter.',
          },
        ]),
  ]
}

/** What the token may not see, once for each thing that is not known for want of a right. */
function rightsOf(component: Federation, site: SiteName, state: ConsulState): Trouble[] {
  const { members, autopilot, token, services, gateways, queries, redirects } = state
  const asked: readonly (readonly [what: string, seen: Known<unknown> | undefined])[] = [
    ['its own token', token],
    ['the servers of all datacenters (agent, node: read)', members],
    ['autopilot (operator: read)', autopilot],
    ...Object.entries(services).map(([name, seen]) => [`the service ${name} (service: read)`, seen] as const),
    ['the mesh gateways (service: read)', gateways],
    ['the prepared queries (query: write)', queries],
    ...Object.entries(redirects).map(([name, seen]) => [`the redirect of ${name} (service: write)`, seen] as const),
  ]
  const lacking = asked.flatMap(([what, seen]) =>
    seen?.is === 'unknown' && seen.because !== 'unanswered' ? [what] : [],
  )
  return lacking.length === 0
    ? []
    : [
        {
          code: 'consul-rights-missing',
          what: `the token of ${datacenterNamed(component, site)} may not see ${lacking.join(', ')}: nothing is known of it`,
          next: 'Give the policy of the token what docs/drivers/consul.md lists.',
        },
      ]
}

function expiring(component: Federation, site: SiteName, state: ConsulState, now: string): Trouble[] {
  const { certificates, token, server } = state
  const named = datacenterNamed(component, site)
  const left = (until: string): Milliseconds => Date.parse(until) - Date.parse(now)
  const words = (until: string): string =>
    left(until) <= 0 ? `has expired on ${until}` : `expires in ${readableDuration(left(until))}, on ${until}`
  const ends: readonly (readonly [code: Code, subject: string, until: string | null, next: string])[] = [
    [
      'consul-certificate-expires',
      `the certificate of ${server}`,
      certificates.server,
      'Renew it (`consul tls cert create`), and reload the agent.',
    ],
    [
      'consul-certificate-expires',
      `the authority of the mesh of ${named} (${certificates.authority?.name ?? ''})`,
      certificates.authority?.until ?? null,
      'Rotate it: `consul connect ca set-config`.',
    ],
    [
      'consul-token-expires',
      `the ACL token that asks ${named}`,
      token?.is === 'known' ? token.value.expires : null,
      'Make a new token, and put it where the stack file refers to.',
    ],
  ]
  return ends.flatMap(([code, subject, until, next]) =>
    until === null || left(until) > SOON ? [] : [{ code, what: `${subject} ${words(until)}`, next }],
  )
}

function servicesOf(component: Federation, site: SiteName, { services }: ConsulState): Trouble[] {
  return Object.entries(services).flatMap(([name, seen]): Trouble[] => {
    if (seen.is === 'unknown' || seen.value.some(({ status }) => status !== 'critical')) return []
    const trouble = seen.value.flatMap((one) => one.trouble).slice(0, 2)
    return [
      {
        code: 'consul-service-down',
        what: `${name} has no passing instance in ${datacenterNamed(component, site)}, of ${seen.value.length}${trouble.length === 0 ? '' : `: ${trouble.join('; ')}`}`,
        next: 'Look at the service and at its checks.',
      },
    ]
  })
}

function gatewaysOf(component: Federation, site: SiteName, { gateways }: ConsulState): Trouble[] {
  if (gateways === undefined || gateways.is === 'unknown') return []
  const named = datacenterNamed(component, site)
  const mesh = gateways.value.filter(({ kind }) => kind === 'mesh-gateway')
  const passing = mesh.filter(({ status }) => status !== 'critical')
  if (passing.length === 0)
    return [
      {
        code: 'consul-no-mesh-gateway',
        what: `${named} has ${mesh.length === 0 ? 'no mesh gateway' : 'no mesh gateway that passes its checks'} (service ${gatewayService(component)}): the mesh of other datacenters does not reach it`,
        next: 'Start one there: `consul connect envoy -gateway mesh -register`.',
      },
    ]
  return mesh
    .filter(({ status }) => status === 'critical')
    .map(
      ({ id, node, trouble }): Trouble => ({
        code: 'consul-mesh-gateway-down',
        what: `the mesh gateway ${id} on ${node} of ${named} is critical${trouble.length === 0 ? '' : `: ${trouble[0]}`}`,
        next: 'Look at that gateway; the others carry its traffic meanwhile.',
      }),
    )
}

/** A query that leads nowhere that a move writes: a deploy or a move replaces it. */
function queriesOf(site: SiteName, { queries }: ConsulState): Trouble[] {
  if (queries.is === 'unknown') return []
  return Object.entries(queries.value)
    .filter(([, { leads }]) => leads === null)
    .map(
      ([name]): Trouble => ({
        code: 'consul-query-differs',
        what: `the prepared query ${name} of ${site} is another one than is declared`,
        next: 'Look at what it holds, and run a deploy: it writes the declared definition.',
      }),
    )
}

/** A finding of a trouble. */
export const findingOf = (
  component: Federation,
  site: SiteName,
  severity: Finding['severity'],
  { code, ...text }: Trouble,
): Finding => codes.finding(code, component, { site, severity, ...text })
