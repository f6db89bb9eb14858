import WebSocket from 'ws'
import type { ExecResult } from '../../../clients/kubernetes-client.ts'
import { retryOfStatus } from '../../../clients/worth-another-try.ts'
import { StandbyError, siteError } from '../../../errors/standby-error.ts'
import { isObject } from '../../../values/json.ts'
import type { ApiStatus } from './errors.ts'
import {
  answerOf,
  asUnreachable,
  type HttpAnswer,
  LARGEST_ANSWER,
  type Link,
  limitConnecting,
  pathAt,
  tooLarge,
} from './http.ts'

/** First byte of each message (remotecommand over WebSocket, KEP-4006). */
const STDIN = 0
const STDOUT = 1
const STDERR = 2
const STATUS = 3
const CLOSE = 255

/** Only v5 can say that the input has ended; without it a program that reads to the end would wait for ever. */
const WITH_INPUT = ['v5.channel.k8s.io']
const WITHOUT_INPUT = ['v5.channel.k8s.io', 'v4.channel.k8s.io']

export interface ExecCall {
  /** With its query. */
  readonly path: string
  readonly stdin: string | undefined
  /** What a refused upgrade means. */
  readonly refused: (answer: HttpAnswer) => StandbyError
  readonly where: string
}

/**
 * Runs one command in a container. Any exit code is a result; throws when the command could not be started or its end
 * is not known.
 */
export async function execOverWebSocket(link: Link, call: ExecCall, signal: AbortSignal): Promise<ExecResult> {
  const { tls, headers, proxy } = await link.credentials()
  signal.throwIfAborted()
  const url = new URL(link.server)
  const [path = '', query = ''] = call.path.split('?', 2)
  url.protocol = link.server.protocol === 'https:' ? 'wss:' : 'ws:'
  url.pathname = pathAt(link.server, path)
  url.search = query
  const socket = new WebSocket(url, call.stdin === undefined ? WITHOUT_INPUT : WITH_INPUT, {
    ...tls,
    headers: { ...headers, 'user-agent': 'standby' },
    perMessageDeflate: false,
    maxPayload: LARGEST_ANSWER,
    agent: proxy ?? link.agent,
    finishRequest: (request) => {
      request.once('socket', (connection) =>
        limitConnecting(connection, link.contact, (error) => request.destroy(error)),
      )
      request.end()
    },
  })
  const abort = (): void => socket.terminate()
  signal.addEventListener('abort', abort, { once: true })
  // A refusal is an answer like any other: its connection is back with the agent, and may be the next request's
  // already.
  let refused = false
  socket.on('unexpected-response', () => (refused = true))
  try {
    return await resultOf(socket, call)
  } catch (error) {
    signal.throwIfAborted()
    throw asUnreachable(link, error)
  } finally {
    signal.removeEventListener('abort', abort)
    if (!refused) socket.terminate()
  }
}

function resultOf(socket: WebSocket, call: ExecCall): Promise<ExecResult> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  let bytes = 0
  return new Promise((resolve, reject) => {
    socket.on('open', () => {
      if (call.stdin === undefined) return
      socket.send(Buffer.concat([Buffer.of(STDIN), Buffer.from(call.stdin)]))
      socket.send(Buffer.of(CLOSE, STDIN))
    })
    socket.on('message', (data: Buffer) => {
      const channel = data[0]
      const rest = data.subarray(1)
      bytes += rest.length
      if (bytes > LARGEST_ANSWER) reject(tooLarge(LARGEST_ANSWER))
      else if (channel === STDOUT) stdout.push(rest)
      else if (channel === STDERR) stderr.push(rest)
      else if (channel === STATUS) {
        const code = endOf(rest.toString('utf8'), call)
        if (code instanceof StandbyError) reject(code)
        else
          resolve({
            code,
            stdout: Buffer.concat(stdout).toString('utf8'),
            stderr: Buffer.concat(stderr).toString('utf8'),
          })
      }
    })
    socket.on('unexpected-response', (_request, response) => {
      answerOf(response).then((answer) => reject(call.refused(answer)), reject)
    })
    socket.on('error', reject)
    socket.on('close', (code) =>
      reject(new Error(`the connection closed (${code}) before the command's end was known`)),
    )
  })
}

/** What the last frame says; one that is no Status leaves the end of the command unknown. */
function endOf(frame: string, call: ExecCall): number | StandbyError {
  const status = endIn(frame)
  if (status !== null) return exitCodeOf(status, call)
  return siteError(
    'kubernetes-exec-failed',
    'how the command ended is not known: the frame that should say so is no Status',
    {
      where: call.where,
      next: 'Look at what stands before the API server: a proxy may change what goes through it.',
    },
  )
}

/**
 * A kubelet names no kind in this frame: `{"metadata":{},"status":"Success"}` (seen with 1.34). What says how it ended
 * is enough.
 */
function endIn(frame: string): ApiStatus | null {
  try {
    const parsed: unknown = JSON.parse(frame)
    return isObject(parsed) && (parsed.status === 'Success' || parsed.status === 'Failure')
      ? ({ ...parsed, kind: 'Status' } as ApiStatus)
      : null
  } catch {
    return null
  }
}

/** 0, the program's own exit code, or the reason why it never ran. */
export function exitCodeOf(status: ApiStatus, call: Pick<ExecCall, 'where'>): number | StandbyError {
  if (status.status === 'Success') return 0
  const code = status.details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message
  if (status.reason === 'NonZeroExitCode' && code !== undefined) return Number(code)
  return siteError(
    'kubernetes-exec-failed',
    `the command could not be run: ${status.message ?? status.reason ?? 'no reason given'}`,
    {
      where: call.where,
      next: 'Look at the pod: its container may be starting, or the program is not in its image.',
      retry: retryOfStatus(status.code ?? 0),
    },
  )
}
