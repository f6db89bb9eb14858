import type { Unseen } from '../errors/unseen.ts'

/** Why a request had no answer, as far as this side of the wire can tell. */
export interface WireFailure {
  readonly unseen: Unseen
  /** For a person. */
  readonly why: string
}

/**
 * Judges what Node, OpenSSL or undici threw by its code, never by its words. An error without a known code is a silence
 * without a known cause.
 */
export function wireFailure(thrown: unknown): WireFailure {
  const error = mostTelling(thrown)
  const unseen = unseenOf(error.code ?? '')
  return { unseen, why: wordsOf(unseen, error) }
}

/** The connection was cut after it stood: another try may find a healthy one. */
export const wasCut = (thrown: unknown): boolean => unseenOf(mostTelling(thrown).code ?? '') === 'cut'

type CodedError = NodeJS.ErrnoException & { readonly errors?: readonly unknown[] }

/** `fetch` keeps the reason in `cause`; a name with several addresses brings one error for each. */
function mostTelling(thrown: unknown): CodedError {
  const error = thrown as CodedError & { readonly cause?: unknown }
  if (error.errors !== undefined && error.errors.length > 0) {
    const each = error.errors.map(mostTelling)
    return (
      TELLING.flatMap((unseen) => each.filter(({ code }) => unseenOf(code ?? '') === unseen))[0] ?? each[0] ?? error
    )
  }
  // By shape: what `fetch` throws may come from another realm.
  return typeof error.cause === 'object' && error.cause !== null && 'message' in error.cause
    ? mostTelling(error.cause)
    : error
}
const TELLING: readonly Unseen[] = ['refused', 'no-such-host', 'cut', 'no-answer']

export function unseenOf(code: string): Unseen {
  const exact = CODES[code]
  if (exact !== undefined) return exact
  return PATTERNS.find(([pattern]) => pattern.test(code))?.[1] ?? 'no-answer'
}

const CODES: Readonly<Record<string, Unseen>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'no-such-host',
  EHOSTDOWN: 'no-such-host',
  ECONNRESET: 'cut',
  ECONNABORTED: 'cut',
  EPIPE: 'cut',
  ERR_STREAM_PREMATURE_CLOSE: 'cut',
  UND_ERR_SOCKET: 'cut',
  ERR_TLS_CERT_ALTNAME_INVALID: 'wrong-name',
  HOSTNAME_MISMATCH: 'wrong-name',
  CERT_HAS_EXPIRED: 'certificate-expired',
  CERT_NOT_YET_VALID: 'certificate-not-yet-valid',
  // Neither a certificate nor a key of ours can be read, or they do not fit.
  ERR_INVALID_CHAR: 'kubeconfig-unusable',
  ERR_CRYPTO_INVALID_KEYTYPE: 'kubeconfig-unusable',
  EPROTO: 'not-tls',
}

const PATTERNS: readonly (readonly [RegExp, Unseen])[] = [
  [
    /^(ENETUNREACH|ENETDOWN|EADDRNOTAVAIL|EAFNOSUPPORT|EACCES|EPERM|EMFILE|ENFILE|ENOBUFS|ENOMEM|EINVAL)$/,
    'no-network',
  ],
  [/^(ENOTFOUND|EAI_|ENODATA|ESERVFAIL|ENODOMAIN)/, 'name-unresolved'],
  [/^ERR_OSSL_/, 'kubeconfig-unusable'],
  [/^(ERR_SSL_|ERR_TLS_)/, 'not-tls'],
  // What X509_verify_cert says, in Node's names.
  [/CERT|SIGNATURE|ISSUER|CRL|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED/, 'untrusted'],
  // Node's parser of HTTP.
  [/^(HPE_|UND_ERR_(HTTP_PARSER|RES_|RESPONSE))/, 'not-an-api-server'],
]

function wordsOf(unseen: Unseen, error: CodedError): string {
  const said =
    error.message === '' || error.message === undefined
      ? (error.code ?? error.name ?? 'no reason given')
      : error.message
  switch (unseen) {
    case 'refused':
      return 'it refuses connections'
    case 'no-such-host':
      return 'there is no way to this address (EHOSTUNREACH)'
    case 'no-network':
      return `nothing leaves this machine for it (${error.code})`
    case 'name-unresolved':
      return `its name does not resolve here (${said})`
    case 'cut':
      return `it cut the connection (${said})`
    case 'wrong-name':
    case 'untrusted':
    case 'certificate-expired':
    case 'certificate-not-yet-valid':
      return `its certificate is not trusted (${said})`
    case 'not-tls':
      return `it does not speak TLS as an API server does (${error.code})`
    case 'not-an-api-server':
      return `its answer is no HTTP (${error.code})`
    case 'kubeconfig-unusable':
      return `certificate, key or token of ours cannot be used (${error.code})`
    default:
      return said
  }
}
