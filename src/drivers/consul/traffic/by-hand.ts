import { quoted } from '../../../driver/manual.ts'
import type { TrafficByHand } from '../../../systems/traffic/move-traffic.ts'
import { type ConsulSpec, datacenterOf, type Federation, queriesOf, siteOf } from '../spec.ts'
import { isRedirect, leadersOf } from './load-balancers.ts'
import { definitionOf } from './queries.ts'
import { redirectTo } from './redirects.ts'

/** Each step with curl, at each datacenter; the token stands in CONSUL_HTTP_TOKEN. */
export const byHand: TrafficByHand<ConsulSpec> = {
  close: {
    say: (component, { parameters: { value } }) => ({
      commands: [PREPARE, ...setting(component, value)],
      expect: `true from each redirect, and no error from a query; then the queries of every datacenter return no instance: ${looking(component)}`,
      never:
        'Take it for a fence: who has an address or a connection keeps it. To take it back: the same lines with the datacenter of before.',
    }),
  },
  open: {
    say: (component, { parameters: { value } }) => ({
      commands: [PREPARE, ...setting(component, value)],
      expect: `Every query of every datacenter answers with instances of ${value}: ${looking(component)}`,
    }),
  },
  hold: {
    say: (component, { parameters: { value, sets = [] } }) => ({
      commands: [PREPARE, ...(sets.length === 0 ? asking(component) : setting(component, value, sets))],
      expect: `Every query of every datacenter leads to ${value}: ${looking(component)}`,
    }),
  },
}

const PREPARE =
  'ask() { curl --fail-with-body -sS -H "X-Consul-Token: $CONSUL_HTTP_TOKEN" ${CONSUL_CACERT:+--cacert "$CONSUL_CACERT"} "$@"; }'

function setting(component: Federation, value: string, only?: readonly string[]): string[] {
  return leadersOf(component)
    .filter(({ name }) => only === undefined || only.includes(name))
    .flatMap(({ name, site = '' }) =>
      isRedirect(name)
        ? [redirecting(component, site, name.split(' ').at(-1) ?? '', value)]
        : queriesOf(component).map((query) => replacing(component, site, query, value)),
    )
}

/** A prepared query is replaced by its id. */
function replacing(
  component: Federation,
  site: string,
  query: ReturnType<typeof queriesOf>[number],
  value: string,
): string {
  const [name] = query
  const [server = ''] = siteOf(component, site).servers
  const definition = JSON.stringify(definitionOf(component, site, query, value))
  return `ask -X PUT -d ${quoted(definition)} ${server}/v1/query/$(ask ${server}/v1/query | jq -r ${quoted(`.[] | select(.Name == "${name}") | .ID`)})`
}

/** It replaces the whole service-resolver: what else it held is to be added to the line. */
function redirecting(component: Federation, site: string, service: string, value: string): string {
  const [server = ''] = siteOf(component, site).servers
  const entry = JSON.stringify({ Kind: 'service-resolver', Name: service, Redirect: redirectTo(value) })
  return `ask -X PUT -d ${quoted(entry)} ${server}/v1/config`
}

const asking = (component: Federation): string[] =>
  leadersOf(component)
    .filter(({ name }) => !isRedirect(name))
    .flatMap(({ site = '' }) =>
      queriesOf(component).map(([name]) => `ask ${siteOf(component, site).servers[0]}/v1/query/${name}/execute`),
    )
const looking = (component: Federation): string => {
  const [[name] = ['<name>']] = queriesOf(component)
  const [site = ''] = Object.keys(component.spec.sites)
  return `ask ${siteOf(component, site).servers[0]}/v1/query/${name}/execute (${datacenterOf(component, site)})`
}
