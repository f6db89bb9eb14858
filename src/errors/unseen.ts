import type { ReasonCode } from './reason-codes.ts'

/**
 * Why a site could not be observed, and what that says of the site. One table: clients name the cause, planning counts
 * the vote, findings take code and advice from here, and `docs/vantage-points.md` is generated from it.
 *
 * up: the API server itself answered, so the site lives. down: only the address is silent. none: the fault is, or may
 * be, on our own side of the link, or the answer was not the API server's; a fault of the observer never counts a site
 * as dead.
 */
export interface UnseenRow {
  readonly vote: 'up' | 'down' | 'none'
  /** Of the finding. */
  readonly code: ReasonCode
  /** The cause may pass soon, so an approved plan is refused only after a second look. */
  readonly passing: boolean
  /** The symptom, for the documentation. */
  readonly met: string
  /** The reason for the vote. */
  readonly because: string
  readonly next: (site: string) => string
}

const lookAtServer = (site: string): string => `Look at the API server of ${site} and at the network to it.`
const trust = (site: string): string =>
  `Correct certificate-authority-data, server or tls-server-name in the kubeconfig of ${site}; if nothing there was changed, something intercepts the connection.`
const login = (site: string): string =>
  `Run the credential program of the kubeconfig of ${site} by hand in this environment; a run on GitHub logs in to the cloud in a step before.`

const ROWS = {
  'no-answer': {
    vote: 'down',
    code: 'site-silent',
    passing: true,
    met: 'no packet came back, or a connection was accepted and no byte followed',
    because:
      'a dead site looks like this; a cut link of the runner does too, which is why one such vote is never enough',
    next: lookAtServer,
  },
  refused: {
    vote: 'down',
    code: 'site-silent',
    passing: true,
    met: 'connection refused (RST)',
    because:
      'the API server does not run; the machine and its workloads may still run, which other vantage points can see',
    next: lookAtServer,
  },
  'no-such-host': {
    vote: 'down',
    code: 'site-silent',
    passing: true,
    met: 'host unreachable (EHOSTUNREACH)',
    because: 'the last router on the way says that nothing has this address',
    next: lookAtServer,
  },
  cut: {
    vote: 'none',
    code: 'site-silent',
    passing: true,
    met: 'connections are accepted and cut before any answer',
    because: 'a load balancer without servers does this, and so does a filter on the way',
    next: lookAtServer,
  },
  slow: {
    vote: 'none',
    code: 'site-silent',
    passing: true,
    met: 'a trusted connection was established, and no complete answer came in time',
    because: 'a server with the certificate of the site is there, but the state of the API server is unknown',
    next: (site) => `Look at the API server of ${site}, at its etcd, and at the quality of the network to it.`,
  },
  'no-network': {
    vote: 'none',
    code: 'network-unreachable',
    passing: true,
    met: 'network unreachable, not permitted, no local address or descriptor (ENETUNREACH, EPERM, EADDRNOTAVAIL, EMFILE)',
    because: 'no packet left this machine',
    next: (site) => `Look at routes, VPN and firewall of this machine: no packet leaves it for ${site}.`,
  },
  'name-unresolved': {
    vote: 'none',
    code: 'site-name-unresolved',
    passing: true,
    met: 'the name does not resolve (ENOTFOUND, EAI_AGAIN)',
    because: "the resolver is the runner's own",
    next: (site) => `Look at the resolver of this machine, and at the server in the kubeconfig of ${site}.`,
  },
  'proxy-failed': {
    vote: 'none',
    code: 'site-proxy-failed',
    passing: true,
    met: 'the declared proxy refuses, is silent, or does not connect',
    because: 'the proxy belongs to the network path, not to the site',
    next: (site) => `Look at the proxy on the way to ${site}.`,
  },
  untrusted: {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate is of an unknown authority, or self-signed',
    because: 'the server is unknown: it may be a captive portal, and the site may be dead',
    next: trust,
  },
  'wrong-name': {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate is for another name',
    because: 'what answers may be another host',
    next: trust,
  },
  'certificate-expired': {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate has expired',
    because: 'an attacker may show an old certificate that was leaked; or the clock of this machine is ahead',
    next: (site) => `Renew the serving certificate of ${site}, and compare the clock of this machine with another one.`,
  },
  'certificate-not-yet-valid': {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate is not valid yet',
    because: 'most likely the clock of this machine is behind',
    next: (site) => `Set the clock of this machine; if it is right, look at the serving certificate of ${site}.`,
  },
  'not-tls': {
    vote: 'none',
    code: 'not-an-api-server',
    passing: false,
    met: 'the server does not speak TLS as an API server does, or aborts the handshake',
    because: 'it is not the API server, or it did not prove that it is',
    next: (site) => `Correct the server in the kubeconfig of ${site}, or find out what answers instead.`,
  },
  'not-an-api-server': {
    vote: 'none',
    code: 'not-an-api-server',
    passing: true,
    met: 'an HTML page, a redirect, a 5xx without a Status, or an answer that cannot be read',
    because: 'a portal or a gateway answers; the API server may be dead or alive',
    next: (site) => `Look at what stands before the API server of ${site}, and at the server in its kubeconfig.`,
  },
  unauthorized: {
    vote: 'up',
    code: 'site-denied',
    passing: false,
    met: '401 of the API server',
    because: 'the API server answers; it does not know the identity',
    next: (site) => `Renew the token or certificate in the kubeconfig of ${site}.`,
  },
  forbidden: {
    vote: 'up',
    code: 'site-denied',
    passing: false,
    met: '403 of the API server',
    because: 'the API server answers; a right is missing',
    next: (site) => `Grant the missing rights on ${site}: \`standby rbac\` prints the roles that this stack needs.`,
  },
  'api-error': {
    vote: 'up',
    code: 'site-unreachable',
    passing: true,
    met: 'any other error of the API server itself: 404, 429, 5xx with a Status',
    because: 'the API server answers',
    next: (site) => `Look at the API server of ${site} and its etcd.`,
  },
  'login-missing': {
    vote: 'none',
    code: 'login-failed',
    passing: false,
    met: 'the credential program of the kubeconfig is not installed',
    because: 'no request was sent',
    next: login,
  },
  'login-failed': {
    vote: 'none',
    code: 'login-failed',
    passing: true,
    met: 'the credential program ends with an error: an expired session of a cloud, for example',
    because: 'no request was sent',
    next: login,
  },
  'login-late': {
    vote: 'none',
    code: 'login-failed',
    passing: true,
    met: 'the credential program does not end in time',
    because: 'no request was sent',
    next: login,
  },
  'login-unreadable': {
    vote: 'none',
    code: 'login-failed',
    passing: false,
    met: 'the credential program prints no ExecCredential, or one that has expired',
    because: 'no request was sent',
    next: login,
  },
  'kubeconfig-unusable': {
    vote: 'none',
    code: 'kubeconfig-invalid',
    passing: false,
    met: 'a file that the kubeconfig names is missing, or holds no certificate, key or token',
    because: 'no request was sent',
    next: (site) => `Correct the kubeconfig of ${site}.`,
  },
  defect: {
    vote: 'none',
    code: 'site-silent',
    passing: false,
    met: 'an unforeseen error',
    because: 'a defect of Standby says nothing about a site',
    next: () => 'Please report this with the log of the run.',
  },
} as const satisfies Readonly<Record<string, UnseenRow>>

export type Unseen = keyof typeof ROWS

export const UNSEEN: Readonly<Record<Unseen, UnseenRow>> = ROWS
