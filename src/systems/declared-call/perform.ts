import type { HttpRequest } from '../../clients/http-question.ts'
import { sentInHeader } from '../../clients/usable-secret.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Reach } from '../../driver/reach.ts'
import type { Milliseconds } from '../../values/duration.ts'
import { isObject, type Json } from '../../values/json.ts'
import { type DeclaredCall, type DeclaredProgram, type DeclaredRequest, filled, filledJson, isProgram } from './spec.ts'

/** What a declared call came to. */
export interface CallAnswer {
  /** Whether it ended as its declaration expects. */
  readonly succeeded: boolean
  /** What it says, as one text; null where it says nothing, or something that is no text, number or truth value. */
  readonly value: string | null
  /** For people: `HTTP 503`, `exit code 3: no such record`. It holds no secret. */
  readonly text: string
}

export interface Asking {
  readonly values: Readonly<Record<string, string>>
  readonly deadline: Milliseconds
  readonly reach: Reach
  readonly signal: AbortSignal
}

/**
 * Performs a declared call to its end. Throws where no answer came: `http-silent`, or what keeps a program from ending;
 * the effect may have happened then.
 */
export const performCall = (call: DeclaredCall, asking: Asking, context: DriverContext): Promise<CallAnswer> =>
  isProgram(call) ? runProgram(call, asking, context) : sendRequest(call, asking, context)

async function runProgram(call: DeclaredProgram, asking: Asking, context: DriverContext): Promise<CallAnswer> {
  const { code, said, text } = await endOfProgram(call, asking, context)
  return { succeeded: code === 0, value: code === 0 ? said : null, text }
}

/** Runs a declared program to its end: its exit code, its last line, and both for people. */
export async function endOfProgram(
  { run, environment }: DeclaredProgram,
  { values, deadline, reach, signal }: Asking,
  context: DriverContext,
): Promise<{ readonly code: number; readonly said: string; readonly text: string }> {
  const [program = '', ...args] = run.map((one) => filled(one, values))
  const secrets = Object.entries(environment ?? {}).map(
    async ([name, reference]) => [name, await context.credential(reference)] as const,
  )
  const env = Object.fromEntries(await Promise.all(secrets))
  const options = { deadline, env, cwd: context.stack.source.directory, signal }
  const { code, stdout, stderr } = await context.run(program, args, options, reach)
  const said = lastLine(stdout)
  const words = said || lastLine(stderr)
  return { code, said, text: `exit code ${code}${words === '' ? '' : `: ${words}`}` }
}

const lastLine = (output: string): string => (output.trim().split('\n').at(-1) ?? '').slice(0, LONGEST)
const LONGEST = 200

async function sendRequest(call: DeclaredRequest, asking: Asking, context: DriverContext): Promise<CallAnswer> {
  const { values, deadline, reach, signal } = asking
  const request: HttpRequest = {
    method: call.method ?? 'GET',
    url: filled(call.url, values, encodeURIComponent),
    headers: await headersOf(call, values, context),
    deadline,
    signal,
    ...(call.body === undefined ? {} : { body: JSON.stringify(filledJson(call.body, values)) }),
    ...(call.authority === undefined ? {} : { authority: await context.credential(call.authority) }),
  }
  const { status, body } = await context.http(request, reach)
  const succeeded = call.expect?.includes(status) ?? (status >= 200 && status < 300)
  return { succeeded, value: succeeded ? answerIn(body, call.answer) : null, text: `HTTP ${status}` }
}

async function headersOf(
  { headers = {}, token, body }: DeclaredRequest,
  values: Asking['values'],
  context: DriverContext,
): Promise<Record<string, string>> {
  const own = await Promise.all(
    Object.entries(headers).map(async ([name, one]) => {
      if (typeof one === 'string') return [name.toLowerCase(), filled(one, values)] as const
      return [name.toLowerCase(), sentInHeader(await context.credential(one), `header ${name}`, one)] as const
    }),
  )
  const secret = token === undefined ? null : sentInHeader(await context.credential(token), 'token', token)
  return {
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(secret === null ? {} : { authorization: `Bearer ${secret}` }),
    ...Object.fromEntries(own),
  }
}

/** RFC 6901. A body that is no JSON, or a pointer that leads to nothing, says nothing. */
function answerIn(body: string, pointer: string | undefined): string | null {
  if (pointer === undefined) return body.trim().slice(0, LONGEST)
  const tokens = pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  let at: Json | undefined
  try {
    at = JSON.parse(body) as Json
  } catch {
    return null
  }
  for (const token of tokens) {
    if (Array.isArray(at)) at = at[Number(token)] as Json | undefined
    else if (isObject(at) && Object.hasOwn(at, token)) at = at[token]
    else return null
  }
  return typeof at === 'string' || typeof at === 'number' || typeof at === 'boolean' ? String(at) : null
}
