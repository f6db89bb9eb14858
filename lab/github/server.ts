import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { type Answer, notFound, problem } from './answer.ts'
import { answerApi } from './api.ts'
import { answerControl } from './control-endpoints.ts'
import { emptyState, type GitHubState, userOf } from './state.ts'

/** `person:rita` is rita's token; every other one is the token of a job. */
const TOKEN_OF_PERSON = 'person:'

/**
 * A GitHub of one repository, with a memory: the part of its API that moves need, and control endpoints under /_lab/.
 */
export async function startGitHubFake(
  options: {
    readonly host?: string
    readonly port?: number
    readonly repository?: string
    /** What its answers say of the time; null: nothing. The machine's, when absent. */
    readonly clock?: () => Date | null
  } = {},
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const state = emptyState(options.repository ?? 'lab/stacks')
  const { clock = () => new Date() } = options
  const server = createServer((request, response) => {
    const time = clock()
    response.sendDate = false
    if (time !== null) response.setHeader('date', time.toUTCString())
    answer(state, request)
      .catch((error: unknown): Answer => problem(500, String(error)))
      .then((answered) => send(response, answered))
      .catch(() => response.destroy())
  })
  await new Promise<void>((done, failed) =>
    server.once('error', failed).listen(options.port ?? 0, options.host ?? '127.0.0.1', done),
  )
  const { address, port } = server.address() as AddressInfo
  return {
    url: `http://${address}:${port}`,
    stop: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

async function answer(state: GitHubState, request: IncomingMessage): Promise<Answer> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://lab')
  const body = await bodyOf(request)
  if (pathname.startsWith('/_lab/')) return answerControl(state, pathname.slice('/_lab'.length), body)
  const [, token] = /^(?:Bearer|token) (\S+)$/.exec(request.headers.authorization ?? '') ?? []
  if (token === undefined) return problem(401, 'Bad credentials')
  const prefix = `/repos/${state.repository}/`
  if (!pathname.startsWith(prefix)) return notFound
  const person = token.startsWith(TOKEN_OF_PERSON) ? userOf(state, token.slice(TOKEN_OF_PERSON.length)) : null
  const path = pathname.slice(prefix.length - 1)
  return answerApi(state, { method: request.method ?? 'GET', path, query: searchParams, body, viewer: person })
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request) text += String(part)
  return text
}

function send(response: ServerResponse, { status, body }: Answer): void {
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
    .end(body === undefined ? '' : JSON.stringify(body))
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      listen: { type: 'string', default: '127.0.0.1:8080' },
      repository: { type: 'string', default: 'lab/stacks' },
    },
  })
  const at = values.listen.lastIndexOf(':')
  const { url } = await startGitHubFake({
    host: values.listen.slice(0, at),
    port: Number(values.listen.slice(at + 1)),
    repository: values.repository,
  })
  process.stdout.write(`${url}\n`)
}
