import type { NginxSpec } from '../src/drivers/nginx/spec.ts'
import type { WebhookSpec } from '../src/drivers/webhook/spec.ts'
import type { LabEnvironment, LabNginxAndDns } from './environment.ts'

type Declared<Driver extends string, Spec> = { readonly driver: Driver; readonly needs: readonly string[] } & Spec

/** What a user adds to a stack file whose application is also reached through NGINX hosts and by a DNS record. */
export interface NginxAndDnsComponents {
  readonly proxies: Declared<'nginx', NginxSpec>
  readonly dns: Declared<'webhook', WebhookSpec>
}

/** The two components for the sites of this lab; throws where the lab has no NGINX hosts. */
export function nginxAndDnsComponents({
  sites,
  nginxAndDns,
}: Pick<LabEnvironment, 'sites' | 'nginxAndDns'>): NginxAndDnsComponents {
  const [first] = nginxAndDns?.nginx ?? []
  if (nginxAndDns === undefined || first === undefined)
    throw new Error('the lab has no NGINX hosts: npm run lab -- up --nginx-and-dns')
  const { nginx, dns } = nginxAndDns
  const forSites = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(sites.map(({ name }) => [name, valueFor(name, values)]))
  // Each call has objects of its own: a stack file may hold no aliases, and YAML writes one for an object seen before.
  const record = () => ({
    url: dns.url,
    token: { env: 'STANDBY_DNS_TOKEN' },
    authority: { env: 'STANDBY_DNS_AUTHORITY' },
  })
  const set = () => ({ ...record(), method: 'PUT' as const, body: { content: '{value}', ttl: dns.ttl } })
  return {
    proxies: {
      driver: 'nginx',
      needs: ['application'],
      file: first.file,
      variable: first.variable,
      status: first.status,
      command: 'sudo -n /usr/sbin/nginx',
      closed: first.closed,
      upstreams: forSites(first.upstreams),
      instances: nginx.map(({ host, url }) => ({ host, url: `${url}/api/status` })),
      ssh: {
        user: first.user,
        privateKey: { env: 'STANDBY_SSH_PRIVATE_KEY' },
        knownHosts: { env: 'STANDBY_SSH_KNOWN_HOSTS' },
      },
      verify: { header: 'X-Standby-Site', answers: 5 },
    },
    dns: {
      driver: 'webhook',
      needs: ['application'],
      sites: forSites(dns.addresses),
      closed: dns.closed,
      ttl: `${dns.ttl}s`,
      observe: { ...record(), answer: '/content' },
      open: set(),
      close: set(),
    },
  }
}

function valueFor(site: string, values: Readonly<Record<string, string>>): string {
  const value = values[site]
  if (value === undefined)
    throw new Error(`the NGINX hosts and the DNS server lead to ${Object.keys(values).join(' and ')}, not to ${site}`)
  return value
}

/** The credentials that the component `dns` names, for the environment of an operation. */
export const dnsCredentials = ({ dns }: LabNginxAndDns) => ({
  STANDBY_DNS_TOKEN: dns.token,
  STANDBY_DNS_AUTHORITY: dns.authorities,
})
