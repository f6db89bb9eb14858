import { request } from 'node:https'
import { SILENCE } from '../../clients/patience.ts'
import { measuredWay } from '../../clients/round-trip.ts'
import { sentInHeader } from '../../clients/usable-secret.ts'
import { withinWay } from '../../clients/within-way.ts'
import { retryOfWire } from '../../clients/worth-another-try.ts'
import type { KitContext } from '../../driver/kit/context.ts'
import { asStandbyError, siteError, timeoutError } from '../../errors/standby-error.ts'
import { type Milliseconds, readableDuration } from '../../values/duration.ts'
import type { Call, ProgramCall, WebCall } from './spec.ts'

/** What a call came to. Nothing of it is ever taken for a yes but a plain yes. */
export interface Answer {
  /** null: it said neither. */
  readonly says: 'yes' | 'no' | null
  /** Whether the call itself was carried out. */
  readonly done: boolean
  /** For a person: `exit code 3: chassis not found`, `HTTP 503`. */
  readonly text: string
}

/** Runs the declared call to its end. Throws when it could not be begun, or did not end in time. */
export async function perform(call: Call, deadline: Milliseconds, context: KitContext): Promise<Answer> {
  return 'run' in call ? runProgram(call, deadline, context) : post(call, deadline, context)
}

async function runProgram(call: ProgramCall, deadline: Milliseconds, context: KitContext): Promise<Answer> {
  const [program = '', ...args] = call.run
  const entries = Object.entries(call.environment ?? {}).map(
    async ([name, reference]) => [name, await context.credential(reference)] as const,
  )
  const env = Object.fromEntries(await Promise.all(entries))
  const { code, stdout, stderr } = await context.run(
    program,
    args,
    { deadline, env, cwd: context.stack.source.directory, signal: context.signal },
    'outside-sites',
  )
  const words = lastLine(stdout) || lastLine(stderr)
  return {
    says: code === 0 ? 'yes' : code === 1 ? 'no' : null,
    done: code === 0,
    text: `exit code ${code}${words === '' ? '' : `: ${words}`}`,
  }
}

const lastLine = (text: string): string => (text.trim().split('\n').at(-1) ?? '').slice(0, LONGEST_LINE)
const LONGEST_LINE = 200
const MOST_BYTES = 64 * 1024

/** No redirect is followed: the token belongs to the declared address alone. */
async function post(call: WebCall, deadline: Milliseconds, context: KitContext): Promise<Answer> {
  const token = sentInHeader(await context.credential(call.token), 'token', call.token)
  const ca = call.authority === undefined ? undefined : await context.credential(call.authority)
  const late = (waited: Milliseconds): Error =>
    timeoutError('power-control-silent', `no answer from ${call.post} within ${readableDuration(waited)}`, {
      retry: 'transient',
    })
  const way = measuredWay(call.post, SILENCE)
  const asked = (signal: AbortSignal) => exchange(call, { token, ca }, signal)
  const { status, body } = await withinWay(way, { deadline }, [context.signal], asked, late)
  const done = status >= 200 && status < 300
  const off = done ? offIn(body) : undefined
  return {
    says: off === true ? 'yes' : off === false ? 'no' : null,
    done,
    text: `HTTP ${status}${off === undefined ? '' : `, off: ${off}`}`,
  }
}

function exchange(
  call: WebCall,
  trust: { readonly token: string; readonly ca: string | undefined },
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly body: string }> {
  const text = JSON.stringify(call.body ?? {})
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(
        signal.aborted
          ? error
          : siteError('power-control-silent', `${call.post}: ${error.message}`, {
              where: call.post,
              retry: retryOfWire(error),
            }),
      )
    const sent = request(
      call.post,
      {
        method: 'POST',
        agent: false,
        signal,
        ...(trust.ca === undefined ? {} : { ca: trust.ca }),
        headers: {
          authorization: `Bearer ${trust.token}`,
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
          'user-agent': 'standby',
        },
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
          if (body.length > MOST_BYTES) sent.destroy(new Error('its answer does not end'))
        })
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body }))
        response.once('error', failed)
      },
    )
    sent.once('error', failed)
    sent.end(text)
  })
}

function offIn(body: string): boolean | undefined {
  try {
    const { off } = JSON.parse(body) as { readonly off?: unknown }
    return typeof off === 'boolean' ? off : undefined
  } catch {
    return undefined
  }
}

/** The answer of a question, or why there is none. */
export async function ask(call: Call, deadline: Milliseconds, context: KitContext): Promise<Answer> {
  try {
    return await perform(call, deadline, context)
  } catch (error) {
    context.signal.throwIfAborted()
    return { says: null, done: false, text: asStandbyError(error).message }
  }
}
