import type { IncomingMessage, ServerResponse } from 'node:http'
import { Refusal } from './answer.ts'
import { reasonOf } from './log.ts'

const PRIMARY_TIMEOUT_MS = 5_000
const MUTATIONS = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

export const isMutation = (request: IncomingMessage): boolean => MUTATIONS.has(request.method ?? '')

/** A secondary writes nothing itself: it hands the mutation to the primary instance and its answer back. */
export async function askPrimary(
  primary: string,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): Promise<void> {
  const { authorization, 'content-type': contentType } = request.headers
  const headers = {
    ...(authorization === undefined ? {} : { authorization }),
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
  }
  const answer = await fetch(new URL(request.url ?? '/', primary), {
    method: request.method ?? 'POST',
    headers,
    body: body.length === 0 ? null : new Uint8Array(body),
    signal: AbortSignal.timeout(PRIMARY_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new Refusal(502, 'BadGateway', `The primary instance did not answer: ${reasonOf(error)}`)
  })
  const text = Buffer.from(await answer.arrayBuffer())
  response.writeHead(answer.status, {
    'content-type': answer.headers.get('content-type') ?? 'application/json',
    'content-length': text.length,
  })
  response.end(text)
}
