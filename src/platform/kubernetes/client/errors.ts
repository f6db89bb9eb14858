import { retryOfStatus } from '../../../clients/worth-another-try.ts'
import { type Retry, type StandbyError, siteError, timeoutError } from '../../../errors/standby-error.ts'
import { UNSEEN, type Unseen } from '../../../errors/unseen.ts'
import { type Milliseconds, seconds } from '../../../values/duration.ts'
import { type ResourceRequest, whereOf } from './paths.ts'

/** The API server's own words for a failure (`kind: Status`). */
export interface ApiStatus {
  readonly kind: 'Status'
  readonly status?: string
  readonly reason?: string
  readonly code?: number
  readonly message?: string
  readonly details?: {
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[]
    readonly retryAfterSeconds?: number
  }
}

export interface Asked {
  readonly site: string
  readonly request: ResourceRequest
  readonly kind?: string | undefined
}

/** The Status in a body, or null when something else answered: a proxy, a pod. */
export function statusIn(body: string): ApiStatus | null {
  try {
    const parsed = JSON.parse(body) as { readonly kind?: unknown }
    return parsed?.kind === 'Status' ? (parsed as ApiStatus) : null
  } catch {
    return null
  }
}

/**
 * What a refusal of the API server means, and what to do about it. A webhook that cannot be called (500 InternalError),
 * an etcd that changes its leader (500), priority and fairness (429 with Retry-After), a server on its way up or down
 * (503, 504) are all worth another try by their status alone: nothing is decided by a message. `retryAfter`: what the
 * answer's header asks for.
 */
export function refusal(
  asked: Asked,
  httpStatus: number,
  body: string,
  retryAfter: Milliseconds | null = null,
): StandbyError {
  const status = statusIn(body)
  const where = whereOf(asked.site, asked.request, asked.kind)
  const again = { retry: retryOf(httpStatus, status), retryAfter: retryAfter ?? retryAfterOf(status) }
  if (status === null && isForeign(httpStatus, body)) return foreignAnswer(asked, httpStatus, body, again)
  const said = saidBy(status, body, httpStatus)
  const unseen = 'api-error'
  switch (httpStatus) {
    case 401:
      return siteError('kubernetes-unauthorized', `${asked.site} does not know who we are: ${said}`, {
        where,
        next: 'Renew the token or certificate in the kubeconfig of this site.',
        unseen: 'unauthorized',
      })
    case 403:
      return forbidden(asked, said, status)
    case 404:
      return siteError('kubernetes-not-found', said, {
        where,
        next: 'Create its namespace, or install what serves this kind, with `standby deploy` or by hand.',
        unseen,
      })
    case 409:
      return siteError('kubernetes-conflict', said, {
        where,
        next: 'Read the object again; another writer has changed it.',
        unseen,
        ...again,
      })
    case 410:
      return siteError('kubernetes-gone', said, {
        where,
        next: 'Read the object again; this version of it is too old.',
        unseen,
        ...again,
      })
    case 400:
    case 405:
    case 413:
    case 415:
    case 422:
      return siteError('kubernetes-invalid', said, {
        where,
        next: 'Correct the fields that the API server names.',
        unseen,
      })
    case 504:
      return timeoutError('kubernetes-timeout', said, {
        where,
        next: 'Look at the API server and its etcd.',
        unseen,
        ...again,
      })
    default:
      return siteError('site-unreachable', `the API server of ${asked.site} answers ${httpStatus}: ${said}`, {
        where,
        next: `Look at the API server of ${asked.site}.`,
        unseen,
        ...again,
      })
  }
}

/** A field that another manager owns stays theirs however often it is asked for. */
function retryOf(httpStatus: number, status: ApiStatus | null): Retry {
  const owned = status?.details?.causes?.some(({ reason }) => reason === 'FieldManagerConflict') === true
  return owned ? 'never' : retryOfStatus(httpStatus)
}

const retryAfterOf = (status: ApiStatus | null): Milliseconds | null => {
  const asked = status?.details?.retryAfterSeconds
  return typeof asked === 'number' && asked > 0 ? seconds(asked) : null
}

/**
 * An API server speaks in Status objects, in JSON, or in one plain line; pages and redirects are of something before
 * it.
 */
const isForeign = (httpStatus: number, body: string): boolean =>
  (httpStatus >= 300 && httpStatus < 400) || httpStatus >= 500 || isPage(body)
const isPage = (body: string): boolean => /^\s*(<\?xml|<!doctype|<html|<head|<body)/i.test(body)

function formOf(httpStatus: number, body: string): string {
  if (isPage(body)) return 'a page'
  return httpStatus < 400 ? 'a redirect' : 'no Status'
}

/** A gateway without a backend may have one again soon (transient); a page or a redirect stays. */
function foreignAnswer(
  { site, request, kind }: Asked,
  httpStatus: number,
  body: string,
  again: Pick<StandbyError, 'retry' | 'retryAfter'>,
): StandbyError {
  const what = `what answers as the API server of ${site} is none: HTTP ${httpStatus} with ${formOf(httpStatus, body)}`
  return siteError(httpStatus >= 500 ? 'site-unreachable' : 'not-an-api-server', what, {
    where: whereOf(site, request, kind),
    next: UNSEEN['not-an-api-server'].next(site),
    unseen: 'not-an-api-server',
    ...again,
  })
}

/** A right is missing, or an admission check refused: only the first is cured by a role. */
function forbidden(asked: Asked, said: string, status: ApiStatus | null): StandbyError {
  const { request, site } = asked
  const where = whereOf(site, request, asked.kind)
  const rule = lackingRule(said) ?? (status === null ? ruleOf(request) : null)
  if (rule === null)
    return siteError('kubernetes-invalid', said, {
      where,
      next: 'An admission rule or a quota of the cluster refuses this; change it or the object.',
      unseen: 'forbidden',
    })
  return siteError('kubernetes-forbidden', `a right is missing on ${site}: ${rule} (${said})`, {
    where,
    next: 'Grant it: `standby rbac` prints the roles that this stack needs.',
    unseen: 'forbidden',
  })
}

/**
 * The rule as a role would hold it. The server's sentence is read first: for exec it asks for `create`, though the
 * request is a GET.
 */
export function lackingRule(said: string): string | null {
  const resource = /cannot (\w+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?/.exec(said)
  if (resource !== null) {
    const [, verb = '', plural = '', apiGroup = '', namespace] = resource
    return ruleOf({ verb, resource: plural, apiGroup, namespace: namespace ?? null, path: '' })
  }
  const path = /cannot (\w+) path "([^"]+)"/.exec(said)
  return path === null
    ? null
    : ruleOf({ verb: path[1] ?? '', resource: '', apiGroup: '', namespace: null, path: path[2] ?? '' })
}

function ruleOf(request: Omit<ResourceRequest, 'name'>): string {
  if (request.resource === '') return `verbs: [${request.verb}], nonResourceURLs: [${request.path}]`
  const scope = request.namespace === null ? 'cluster-wide' : `in namespace ${request.namespace}`
  return `verbs: [${request.verb}], resources: [${request.resource}], apiGroups: ["${request.apiGroup}"], ${scope}`
}

/** No answer of the API server, and why: of the site, of the way to it, or of our own side. */
export function unreachable(site: string, what: string, server: string, unseen: Unseen, cause?: unknown): StandbyError {
  const { code, next } = UNSEEN[unseen]
  return siteError(code === 'site-silent' ? 'site-unreachable' : code, what, {
    where: `${site} ${server}`,
    next: next(site),
    cause,
    unseen,
    retry: UNSEEN[unseen].passing ? 'transient' : 'never',
  })
}

/** Something answers in the place of the API server. */
export const notAnApiServer = (site: string, where: string, what: string): StandbyError =>
  siteError('not-an-api-server', `what answers as the API server of ${site} is none: ${what}`, {
    where: `${site} ${where}`,
    next: UNSEEN['not-an-api-server'].next(site),
    unseen: 'not-an-api-server',
  })

/** How much of a foreign text is shown. */
function saidBy(status: ApiStatus | null, body: string, httpStatus: number): string {
  if (status?.message !== undefined && status.message !== '') return status.message
  const text = body.trim().split('\n')[0] ?? ''
  return text === '' ? `HTTP ${httpStatus}` : text.slice(0, 300)
}
