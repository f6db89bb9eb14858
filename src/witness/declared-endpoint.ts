import type { NamedPath, SpecProblem } from '../domain/declaration.ts'

/** Where a storage is reached, as it is declared. */
export interface DeclaredEndpoint {
  readonly endpoint: string
  /** A file with the certificates of the authorities that vouch for it. */
  readonly endpointCA?: string
}

/** The certificates that an endpoint names. Pure. */
export const certificatesOf = ({ endpointCA }: DeclaredEndpoint): NamedPath[] =>
  endpointCA === undefined ? [] : [{ path: endpointCA, is: 'certificates' }]

/** What is wrong with an endpoint that is declared at this path. Pure. */
export const endpointProblems = (declared: DeclaredEndpoint, path: readonly string[]): SpecProblem[] => [
  ...unencrypted(declared, [...path, 'endpoint']),
  ...certificatesWithoutTls(declared, [...path, 'endpointCA']),
]

/** Refuses certificate authorities for an endpoint without TLS, where they have no effect. */
const certificatesWithoutTls = ({ endpoint, endpointCA }: DeclaredEndpoint, path: readonly string[]): SpecProblem[] =>
  endpointCA === undefined || /^https:/i.test(endpoint)
    ? []
    : [{ path, what: `${endpoint} shows no certificate: begin it with https://, or leave this out` }]

/** Warns of what is sent in clear text, unless it stays in a private network. */
function unencrypted({ endpoint }: DeclaredEndpoint, path: readonly string[]): SpecProblem[] {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null
  if (url?.protocol !== 'http:' || isPrivate(url.hostname)) return []
  return [
    {
      path,
      what: `${endpoint} is not encrypted: anyone on the network path reads what is stored there`,
      severity: 'warning',
    },
  ]
}

/** Loopback, private addresses (RFC 1918, RFC 4193), names without a dot, and names under non-public domains. */
const isPrivate = (host: string): boolean =>
  /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[::1\]|\[f[cd])/i.test(host) ||
  !/[.:]/.test(host) ||
  /\.(localhost|local|internal|lan|lab|svc|svc\.cluster\.local|home\.arpa|test)\.?$/i.test(host)
