/** The HTTP API of Consul (1.22): the one place that knows how it answers, and what its statuses mean. */

import type { CredentialReference } from '../../domain/stack.ts'
import { asStandbyError, type Retry, type StandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import type { HttpAnswer, HttpRequest } from '../http-question.ts'

/** The name of a datacenter, as a pattern of JSON Schema. */
export const DATACENTER_NAME = '^[a-z0-9_-]{1,63}$'

/** Servers or client agents of one datacenter, and how they are asked. */
export interface ConsulAccess {
  /** `https://10.1.0.13:8501`: asked in turn, until one answers. */
  readonly addresses: readonly string[]
  readonly token?: CredentialReference | undefined
}

/** What a client reaches Consul by: one question over HTTP, which throws `http-silent` without an answer. */
export interface ConsulWay {
  http(request: HttpRequest): Promise<HttpAnswer>
  credential(reference: CredentialReference): Promise<string>
}

/**
 * What kept a call from an answer.
 *
 * `silent`: no address answers. `leaderless`: the datacenter of the addresses has no leader, and takes no write and no
 * consistent read. `remote`: the addresses answer, and the asked datacenter could not be reached through them, which
 * proves nothing about that datacenter. `failed`: any other status of the server's own trouble, or an answer that is
 * none of Consul. All four may pass, and the effect of a call may have happened.
 *
 * `refused`: the token does not exist, or lacks a right. `rejected`: Consul does not take such a request.
 */
export type ConsulFailure = 'silent' | 'leaderless' | 'remote' | 'failed' | 'refused' | 'rejected'

/** What an error of this client says beside its text. */
export interface ConsulErrorDetails {
  readonly retry: Retry
  readonly where: string
  readonly unanswered?: true
}

/** What a client asks by, whom, and how its failures become errors. */
export interface ConsulAsking {
  readonly way: ConsulWay
  readonly access: ConsulAccess
  /** Of one call to one address. A call about another datacenter takes at least 20 s. */
  readonly deadline: Milliseconds
  readonly signal: AbortSignal
  /** Of errors: `dc-a Consul`. */
  readonly where: string
  /** The error of a failure, with a code of those who ask. */
  error(failure: ConsulFailure, what: string, details: ConsulErrorDetails): StandbyError
}

/** One request. */
export interface ConsulCall {
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Below `/v1/`; its parts are encoded already ({@link inPath}). */
  readonly path: string
  /** `true` stands for a parameter without a value, such as `consistent`. What is undefined or false is left out. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** The datacenter that is asked, where it is not that of the addresses. */
  readonly datacenter?: string | undefined
  readonly body?: string
  /** Statuses that are an answer beside 200: 404 where there is no such thing, 409 of a transaction. */
  readonly accepts?: readonly number[]
  /** Bytes of the answer; default 1 MiB. */
  readonly mostBytes?: number
  /** The bodies of the call and of its answer are bytes in base64: they are no text. */
  readonly isBinary?: true
}

export interface ConsulAnswer extends HttpAnswer {
  /**
   * The token may not see all: an empty or short list says nothing about what there is
   * (`X-Consul-Results-Filtered-By-ACLs`).
   */
  readonly isFiltered: boolean
}

export interface ConsulClient {
  /** Throws what `error` makes of a {@link ConsulFailure}, or the reason of the signal. */
  ask(call: ConsulCall): Promise<ConsulAnswer>
  /** As {@link ask}, and the JSON of the answer. An answer that is not JSON is `failed`. */
  askJson(call: ConsulCall): Promise<ConsulAnswer & { readonly value: unknown }>
  /** For an answer that Consul does not give: `what` says what is missing. */
  unreadable(call: Pick<ConsulCall, 'method' | 'path'>, what: string): StandbyError
  /** For an answer that says by itself that the token lacks a right. */
  refused(call: Pick<ConsulCall, 'method' | 'path'>, what: string): StandbyError
}

/** What a server waits for one that it cannot reach: up to 16 s were measured before it said so. */
const REMOTE: Milliseconds = seconds(20)
/** Of the question whether there is a leader, after a call that failed. */
const LEADER: Milliseconds = seconds(1)
const MOST_BYTES = 1024 * 1024

/** A client of the datacenter of these addresses. Contacts nothing yet. */
export function consulClient(asking: ConsulAsking): ConsulClient {
  const { way, access, signal, where, error } = asking

  const deadlineOf = ({ datacenter }: ConsulCall): Milliseconds =>
    datacenter === undefined ? asking.deadline : Math.max(asking.deadline, REMOTE)

  async function send(address: string, call: ConsulCall, deadline = deadlineOf(call)): Promise<HttpAnswer> {
    const { method, path, query = {}, datacenter, body, mostBytes = MOST_BYTES, isBinary } = call
    const { token } = access
    const parameters = queryText({ ...query, dc: datacenter })
    return way.http({
      method,
      url: `${address.replace(/\/$/, '')}/v1/${path}${parameters}`,
      headers: token === undefined ? {} : { 'x-consul-token': await way.credential(token) },
      deadline,
      signal,
      mostBytes,
      ...(body === undefined ? {} : { body }),
      ...(isBinary === true ? { encoding: 'base64' as const } : {}),
    })
  }

  async function ask(call: ConsulCall): Promise<ConsulAnswer> {
    const words: string[] = []
    let failure: ConsulFailure = 'silent'
    for (const address of access.addresses) {
      try {
        const answer = await send(address, call)
        if (answer.status === 200 || call.accepts?.includes(answer.status) === true) return answerOf(answer)
        const text = `${address} answers ${answer.status} to ${call.method} ${call.path}: ${answer.body.slice(0, 200)}`
        if (answer.status === 401 || answer.status === 403) throw error('refused', text, { retry: 'never', where })
        // 429: too many requests for this server.
        if (answer.status < 500 && answer.status !== 429) throw error('rejected', text, { retry: 'never', where })
        words.push(text)
        failure = call.datacenter === undefined ? 'failed' : 'remote'
      } catch (thrown) {
        signal.throwIfAborted()
        const one = asStandbyError(thrown)
        if (one.code !== 'http-silent') throw one
        words.push(one.message)
      }
    }
    if (failure !== 'remote' && (await isLeaderless())) failure = 'leaderless'
    throw error(failure, words.join('; '), { retry: 'transient', where, unanswered: true })
  }

  /** A server without a leader holds back for 7 s all that needs one, and then answers 500. This it answers at once. */
  async function isLeaderless(): Promise<boolean> {
    const question = { method: 'GET', path: 'status/leader' } as const
    const said = await Promise.all(
      access.addresses.map((address) => send(address, question, LEADER).catch(() => undefined)),
    )
    signal.throwIfAborted()
    return said.some((answer) => answer?.status === 200 && parsed(answer.body) === '')
  }

  const unreadable: ConsulClient['unreadable'] = ({ method, path }, what) =>
    error('failed', `the answer to ${method} ${path} is none of Consul: ${what}`, {
      retry: 'transient',
      where,
      unanswered: true,
    })

  return {
    ask,
    unreadable,
    refused: ({ method, path }, what) => error('refused', `${method} ${path}: ${what}`, { retry: 'never', where }),
    async askJson(call) {
      const answer = await ask(call)
      const value = parsed(answer.body)
      if (value === undefined && answer.status === 200) throw unreadable(call, answer.body.slice(0, 200))
      return { ...answer, value }
    },
  }
}

/** A name as one part of a path, or several where it has `/`. Pure. */
export const inPath = (name: string): string => name.split('/').map(encodeURIComponent).join('/')

function queryText(query: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const parts = Object.entries(query).flatMap(([name, value]) => {
    if (value === undefined || value === false) return []
    return [value === true ? name : `${name}=${encodeURIComponent(value)}`]
  })
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

const answerOf = (answer: HttpAnswer): ConsulAnswer => ({
  ...answer,
  isFiltered: answer.headers['x-consul-results-filtered-by-acls'] === 'true',
})

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
