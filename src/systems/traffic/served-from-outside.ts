import { SILENCE } from '../../clients/patience.ts'
import { type MeasuredWay, measuredWay } from '../../clients/round-trip.ts'
import { withinWay } from '../../clients/within-way.ts'
import { exemptAddress } from '../../runtime/proxies.ts'
import { type Milliseconds, readableDuration, seconds } from '../../values/duration.ts'
import type { Instance, Verification } from './load-balancers.ts'

export type Served =
  | { readonly is: 'done'; readonly proof: ServedProof }
  | { readonly is: 'pending'; readonly waitingFor: string }
/** What is on record of it; `took` is for people. */
export type ServedProof =
  | { readonly verified: false }
  | { readonly verified: true; readonly answersPerInstance: number; readonly took: string }

/**
 * Whether users are served by a site: through every given instance, on fresh connections, until so many answers in a
 * row come from it. Without a verification nothing is asked, and the proof says so.
 */
export async function servedFromOutside(
  instances: readonly Pick<Instance, 'url'>[],
  verification: Verification | null,
  site: string,
  signal: AbortSignal,
): Promise<Served> {
  if (verification === null) return { is: 'done', proof: { verified: false } }
  const wanted = verification.answers ?? 3
  const begun = performance.now()
  const results = await Promise.all(
    instances.map(({ url }) =>
      answersFrom({ url, way: measuredWay(url, SILENCE), header: verification.header, signal }, site, wanted),
    ),
  )
  const wrong = results.find((result) => result !== null) ?? null
  if (wrong !== null) return { is: 'pending', waitingFor: wrong }
  return {
    is: 'done',
    proof: { verified: true, answersPerInstance: wanted, took: readableDuration(performance.now() - begun) },
  }
}

interface Question {
  readonly url: string
  readonly header: string
  readonly signal: AbortSignal
  readonly way: MeasuredWay
}

/** null when all answers came from the site; otherwise what came instead. */
async function answersFrom(question: Question, site: string, count: number): Promise<string | null> {
  for (let index = 0; index < count; index++) {
    const answer = await ask(question)
    if (answer.site !== site || typeof answer.status !== 'number' || answer.status >= 500)
      return `${question.url} to be answered by ${site} (${answer.site ?? 'nobody'}, ${answer.status})`
  }
  return null
}

interface Answer {
  readonly site: string | null
  readonly status: number | string
}

const ANSWER: Milliseconds = seconds(2)

async function ask({ url, way, header, signal }: Question): Promise<Answer> {
  exemptAddress(url)
  const asked = async (ending: AbortSignal): Promise<Answer> => {
    // A kept-alive connection could show an old session's site.
    const response = await fetch(url, { headers: { connection: 'close' }, redirect: 'manual', signal: ending })
    await response.arrayBuffer()
    return { site: response.headers.get(header), status: response.status }
  }
  try {
    const late = (waited: Milliseconds): Error => new Error(`no answer within ${readableDuration(waited)}`)
    return await withinWay(way, { deadline: ANSWER }, [signal], asked, late)
  } catch (error) {
    signal.throwIfAborted()
    return { site: null, status: (error as Error).message }
  }
}
