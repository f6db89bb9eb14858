import type { HttpRequest } from '../../clients/http-question.ts'
import { sentInHeader } from '../../clients/usable-secret.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError, StandbyError } from '../../errors/standby-error.ts'
import { endOfProgram } from '../../systems/declared-call/perform.ts'
import type { DeclaredProgram } from '../../systems/declared-call/spec.ts'
import type { Milliseconds } from '../../values/duration.ts'
import type { Call, WebCall } from './spec.ts'

/** The result of a call. Only a plain yes counts as a yes. */
export interface Answer {
  /** null: the answer was neither yes nor no. */
  readonly says: 'yes' | 'no' | null
  /** Whether the call itself was carried out. */
  readonly done: boolean
  /** For a person: `exit code 3: chassis not found`, `HTTP 503`. */
  readonly text: string
}

/** Runs the declared call to its end. Throws when it could not be started, or did not end in time. */
export async function perform(call: Call, deadline: Milliseconds, context: DriverContext): Promise<Answer> {
  return 'run' in call ? runProgram(call, deadline, context) : post(call, deadline, context)
}

async function runProgram(call: DeclaredProgram, deadline: Milliseconds, context: DriverContext): Promise<Answer> {
  const asking = { values: {}, deadline, reach: 'outside-sites', signal: context.signal } as const
  const { code, text } = await endOfProgram(call, asking, context)
  return { says: saidByExit(code), done: code === 0, text }
}

/** 0 says yes and 1 says no, as `test` does; any other code says nothing. */
function saidByExit(code: number): Answer['says'] {
  if (code === 0) return 'yes'
  return code === 1 ? 'no' : null
}

async function post(call: WebCall, deadline: Milliseconds, context: DriverContext): Promise<Answer> {
  const token = sentInHeader(await context.credential(call.token), 'token', call.token)
  const authority = call.authority === undefined ? {} : { authority: await context.credential(call.authority) }
  const question: HttpRequest = {
    method: 'POST',
    url: call.post,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(call.body ?? {}),
    deadline,
    signal: context.signal,
    ...authority,
  }
  const { status, body } = await context.http(question, 'outside-sites').catch(unanswered)
  const done = status >= 200 && status < 300
  const off = done ? offIn(body) : undefined
  const said = off ? 'yes' : 'no'
  return {
    says: off === undefined ? null : said,
    done,
    text: `HTTP ${status}${off === undefined ? '' : `, off: ${off}`}`,
  }
}

/** The silence of a power control has a code of its own: the call may have switched the site off. */
function unanswered(thrown: unknown): never {
  const error = asStandbyError(thrown)
  if (error.code !== 'http-silent') throw thrown
  const { message: what, mustAct, where, next, retry, cause } = error
  throw new StandbyError({ code: 'power-control-silent', mustAct, what, where, next, retry, cause })
}

function offIn(body: string): boolean | undefined {
  try {
    const { off } = JSON.parse(body) as { readonly off?: unknown }
    return typeof off === 'boolean' ? off : undefined
  } catch {
    return undefined
  }
}

/** The answer to a question, or why there is none. */
export async function ask(call: Call, deadline: Milliseconds, context: DriverContext): Promise<Answer> {
  try {
    return await perform(call, deadline, context)
  } catch (error) {
    context.signal.throwIfAborted()
    return { says: null, done: false, text: asStandbyError(error).message }
  }
}
