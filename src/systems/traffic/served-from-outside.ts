import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, readableDuration, seconds } from '../../values/duration.ts'
import { type Instance, reachOf, type Verification } from './load-balancers.ts'
import type { MayBeLost } from './lost-with-site.ts'

export type Served =
  | { readonly is: 'done'; readonly proof: ServedProof }
  | { readonly is: 'pending'; readonly waitingFor: string }
/** What is on record of it; `took` is for people. */
export type ServedProof =
  | { readonly verified: false }
  | { readonly verified: true; readonly answersPerInstance: number; readonly took: string }

/** Who asks, and until when. `mayBeLost`: as in the step that asks. */
export interface Outside {
  readonly context: DriverContext
  readonly signal: AbortSignal
  readonly mayBeLost?: MayBeLost | undefined
}

/**
 * Whether users are served by a site: through every given instance, on fresh connections, until so many answers in a
 * row come from it. Without a verification nothing is asked, and the proof says so.
 */
export async function servedFromOutside(
  instances: readonly Instance[],
  verification: Verification | null,
  site: string,
  outside: Outside,
): Promise<Served> {
  if (verification === null) return { is: 'done', proof: { verified: false } }
  const { header, answers = 3 } = verification
  const begun = performance.now()
  const results = await Promise.all(
    instances.map((instance) => answersFrom({ instance, header, ...outside }, site, answers)),
  )
  const wrong = results.find((result) => result !== null) ?? null
  if (wrong !== null) return { is: 'pending', waitingFor: wrong }
  return {
    is: 'done',
    proof: { verified: true, answersPerInstance: answers, took: readableDuration(performance.now() - begun) },
  }
}

interface Question extends Outside {
  readonly instance: Instance
  readonly header: string
}

/** null when all answers came from the site; otherwise what came instead. */
async function answersFrom(question: Question, site: string, count: number): Promise<string | null> {
  for (let index = 0; index < count; index++) {
    const answer = await ask(question)
    if (answer.site !== site || typeof answer.status !== 'number' || answer.status >= 500)
      return `${question.instance.url} to be answered by ${site} (${answer.site ?? 'no site'}, ${answer.status})`
  }
  return null
}

interface Answer {
  readonly site: string | null
  readonly status: number | string
}

const ANSWER: Milliseconds = seconds(2)
/** A page of the application: its header counts, and the whole of it must come. */
const LARGEST_PAGE = 64 * 1024 * 1024

/** On a connection of its own: a kept-alive one could show the site of an old session. */
async function ask({ instance, header, context, signal, mayBeLost }: Question): Promise<Answer> {
  const question = { method: 'GET', url: instance.url, deadline: ANSWER, signal, mostBytes: LARGEST_PAGE } as const
  try {
    // One that was set answers: its page has its whole time, however short it was tried for.
    const patience = mayBeLost?.[instance.name]
    const within = patience === undefined ? null : Math.max(patience, ANSWER)
    const { headers, status } = await context.http(question, reachOf(instance, within))
    return { site: headers[header.toLowerCase()] ?? null, status }
  } catch (error) {
    signal.throwIfAborted()
    return { site: null, status: asStandbyError(error).message }
  }
}
