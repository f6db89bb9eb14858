import type { ReasonCode } from './reason-codes.ts'

/**
 * Why a site could not be looked at, and what that says of the site. One table for all: the clients name the cause, the
 * planning counts the vote, the findings take code and advice from here, and `docs/vantage-points.md` is made of it.
 *
 * up: the API server itself answered, so it lives. down: the address, and nothing but the address, is silent. none: the
 * fault is, or may be, on our own side of the link, or what answered is not the API server; a site is not called dead
 * for what ails our own eyes.
 */
export interface UnseenRow {
  readonly vote: 'up' | 'down' | 'none'
  /** Of the finding. */
  readonly code: ReasonCode
  /** It may be over in a moment, so a second look is worth its time before an approved plan is refused. */
  readonly passing: boolean
  /** What was met, for the documentation. */
  readonly met: string
  /** Why it votes so. */
  readonly because: string
  readonly next: (site: string) => string
}

const lookAtServer = (site: string): string => `Look at the API server of ${site} and at the network to it.`
const trust = (site: string): string =>
  `Correct certificate-authority-data, server or tls-server-name in the kubeconfig of ${site}; if nothing there was changed, somebody stands in between.`
const login = (site: string): string =>
  `Run the credential program of the kubeconfig of ${site} by hand in this environment; a run on GitHub logs in to the cloud in a step before.`

const ROWS = {
  'no-answer': {
    vote: 'down',
    code: 'site-silent',
    passing: true,
    met: 'no packet came back, or a connection was taken and nothing was said',
    because:
      'a dead site looks like this; a cut link of the runner does too, which is why one such vote is never enough',
    next: lookAtServer,
  },
  refused: {
    vote: 'down',
    code: 'site-silent',
    passing: true,
    met: 'connection refused (RST)',
    because: 'the API server does not run; the machine may, and what serves users may: other vantage points say so',
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
    met: 'connections are taken and cut before any answer',
    because: 'a balancer without servers does this, and so does a filter on the way',
    next: lookAtServer,
  },
  slow: {
    vote: 'none',
    code: 'site-silent',
    passing: true,
    met: 'a trusted connection stood, and no whole answer came in time',
    because: 'something that holds the certificate of the site is there, and nobody knows what stands after it',
    next: (site) => `Look at the API server of ${site}, at its etcd, and at the quality of the network to it.`,
  },
  'no-network': {
    vote: 'none',
    code: 'network-unreachable',
    passing: true,
    met: 'network unreachable, not permitted, no local address or descriptor (ENETUNREACH, EPERM, EADDRNOTAVAIL, EMFILE)',
    because: 'nothing left this machine',
    next: (site) => `Look at routes, VPN and firewall of this machine: nothing leaves it for ${site}.`,
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
    because: 'the proxy is a part of the way, not of the site',
    next: (site) => `Look at the proxy on the way to ${site}.`,
  },
  untrusted: {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate is of an unknown authority, or signs itself',
    because: 'nobody knows who answers: it may be a captive portal, and the site may be dead',
    next: trust,
  },
  'wrong-name': {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate is of another name',
    because: 'what answers may be another host',
    next: trust,
  },
  'certificate-expired': {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate has expired',
    because: 'an old certificate can be shown by anybody who got hold of it; or the own clock is ahead',
    next: (site) => `Renew the serving certificate of ${site}, and compare the clock of this machine with another one.`,
  },
  'certificate-not-yet-valid': {
    vote: 'none',
    code: 'site-untrusted',
    passing: false,
    met: 'the certificate is not valid yet',
    because: 'most likely the own clock is behind',
    next: (site) => `Set the clock of this machine; if it is right, look at the serving certificate of ${site}.`,
  },
  'not-tls': {
    vote: 'none',
    code: 'not-an-api-server',
    passing: false,
    met: 'something answers that does not speak TLS as an API server does, or breaks it off',
    because: 'it is not the API server, or it did not get so far as to prove it',
    next: (site) => `Correct the server in the kubeconfig of ${site}, or look for what answers in its place.`,
  },
  'not-an-api-server': {
    vote: 'none',
    code: 'not-an-api-server',
    passing: true,
    met: 'an HTML page, a redirect, a 5xx without a Status, or an answer that cannot be read',
    because: 'a portal or a gateway answers; the API server after it may be dead or alive',
    next: (site) => `Look at what stands before the API server of ${site}, and at the server in its kubeconfig.`,
  },
  unauthorized: {
    vote: 'up',
    code: 'site-denied',
    passing: false,
    met: '401 of the API server',
    because: 'the API server answers; it does not know who asks',
    next: (site) => `Renew the token or certificate in the kubeconfig of ${site}.`,
  },
  forbidden: {
    vote: 'up',
    code: 'site-denied',
    passing: false,
    met: '403 of the API server',
    because: 'the API server answers; a right is lacking',
    next: (site) => `Grant what is lacking on ${site}: \`standby rbac\` prints the roles that this stack needs.`,
  },
  'api-error': {
    vote: 'up',
    code: 'site-unreachable',
    passing: true,
    met: 'any other error in the words of the API server: 404, 429, 5xx with a Status',
    because: 'the API server answers',
    next: (site) => `Look at the API server of ${site} and its etcd.`,
  },
  'login-missing': {
    vote: 'none',
    code: 'login-failed',
    passing: false,
    met: 'the credential program of the kubeconfig is not installed',
    because: 'nothing was asked',
    next: login,
  },
  'login-failed': {
    vote: 'none',
    code: 'login-failed',
    passing: true,
    met: 'the credential program ends with an error: an expired session of a cloud, for example',
    because: 'nothing was asked',
    next: login,
  },
  'login-late': {
    vote: 'none',
    code: 'login-failed',
    passing: true,
    met: 'the credential program does not end in time',
    because: 'nothing was asked',
    next: login,
  },
  'login-unreadable': {
    vote: 'none',
    code: 'login-failed',
    passing: false,
    met: 'the credential program prints no ExecCredential, or one that has expired',
    because: 'nothing was asked',
    next: login,
  },
  'kubeconfig-unusable': {
    vote: 'none',
    code: 'kubeconfig-invalid',
    passing: false,
    met: 'a file that the kubeconfig names is missing, or holds no certificate, key or token',
    because: 'nothing was asked',
    next: (site) => `Correct the kubeconfig of ${site}.`,
  },
  defect: {
    vote: 'none',
    code: 'site-silent',
    passing: false,
    met: 'an error that nobody foresaw',
    because: 'a defect of Standby says nothing of a site',
    next: () => 'Please report this with the log of the run.',
  },
} as const satisfies Readonly<Record<string, UnseenRow>>

export type Unseen = keyof typeof ROWS

export const UNSEEN: Readonly<Record<Unseen, UnseenRow>> = ROWS
