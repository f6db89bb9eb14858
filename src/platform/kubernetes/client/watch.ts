import { setTimeout as pause } from 'node:timers/promises'
import type { KubernetesObject, ObjectReference } from '../../../clients/kubernetes-client.ts'
import { asStandbyError, type StandbyError } from '../../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../../values/duration.ts'
import { isObject } from '../../../values/json.ts'
import { answerOf, asUnreachable, type HttpAnswer, type Link, send, tooLarge } from './http.ts'
import { withQuery } from './paths.ts'

/** The server ends each watch after this; silence for longer is a dead connection, which no packet would tell us of. */
const WATCH_SPAN: Milliseconds = seconds(60)
const SILENCE: Milliseconds = WATCH_SPAN + seconds(5)
/** Between the ends of two watches: a server that hangs up at once is not asked in a loop. */
const SHORTEST_PAUSE: Milliseconds = 500
const LONGEST_PAUSE: Milliseconds = seconds(5)

export interface Watched {
  /** The address of a collection, and what of it is watched: `{ fieldSelector: 'metadata.name=redis-0' }`. */
  readonly path: string
  readonly selected: Readonly<Record<string, string>>
  readonly link: Link
  /** A request with deadline and retries. */
  get(path: string, signal: AbortSignal): Promise<HttpAnswer>
  refused(path: string, answer: HttpAnswer): StandbyError
}

interface ListAnswer {
  readonly metadata: { readonly resourceVersion: string }
  readonly items: readonly KubernetesObject[]
}
interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubernetesObject & { readonly code?: number }
}
/** All that is there, at first and whenever the thread was lost; then each change. */
type News =
  | { readonly is: 'list'; readonly items: readonly KubernetesObject[] }
  | { readonly is: 'changed' | 'deleted'; readonly object: KubernetesObject }

function objectIn(news: News): KubernetesObject | undefined {
  if (news.is === 'list') return news.items[0]
  return news.is === 'changed' ? news.object : undefined
}

/**
 * The object as it is (null when it does not exist), and again at each change; null when it is deleted. Ends and throws
 * as {@link watchAll}.
 */
export async function* watchObject(
  watched: Watched,
  ref: ObjectReference,
  signal: AbortSignal,
): AsyncGenerator<KubernetesObject | null> {
  const complete = (object: KubernetesObject): KubernetesObject => ({
    ...object,
    apiVersion: ref.apiVersion,
    kind: ref.kind,
  })
  let last: string | null = null
  for await (const news of watchAll(watched, signal)) {
    const object = objectIn(news)
    const state: string = object?.metadata.resourceVersion ?? 'absent'
    if (news.is !== 'list' || state !== last) yield object === undefined ? null : complete(object)
    last = state
  }
}

/**
 * What is selected of a collection, and each change of it. Lost connections and expired versions are mended without a
 * word; ends when the signal is aborted; throws what waiting cannot mend.
 */
export async function* watchAll(watched: Watched, signal: AbortSignal): AsyncGenerator<News> {
  const { path, selected } = watched
  let version: string | null = null
  let wait = SHORTEST_PAUSE
  while (!signal.aborted) {
    const begun = performance.now()
    try {
      if (version === null) {
        const listPath = withQuery(path, selected)
        const answer = await watched.get(listPath, signal)
        if (answer.status !== 200) throw watched.refused(listPath, answer)
        const list = listIn(answer.body, watched)
        version = list.metadata.resourceVersion
        yield { is: 'list', items: list.items }
      }
      const watchPath = withQuery(path, {
        ...selected,
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: version,
        timeoutSeconds: String(WATCH_SPAN / 1_000),
      })
      for await (const event of events(watched, watchPath, signal)) {
        wait = SHORTEST_PAUSE
        if (event.type === 'ERROR') {
          // 410: the version is too old to go on from. Anything else is mended by a fresh look as well.
          version = null
          break
        }
        version = event.object.metadata.resourceVersion ?? version
        if (event.type !== 'BOOKMARK')
          yield { is: event.type === 'DELETED' ? 'deleted' : 'changed', object: event.object }
      }
    } catch (error) {
      if (signal.aborted) return
      const { retry, retryAfter } = asStandbyError(error)
      if (retry === 'never') throw error
      // The version is too old to go on from.
      if (retry === 'conflict') version = null
      wait = Math.max(retryAfter ?? 0, Math.min(LONGEST_PAUSE, wait * 2))
    }
    const rest = wait - (performance.now() - begun)
    if (rest > 0) await pause(rest, undefined, { signal }).catch(() => undefined)
  }
}

/** An object is 1.5 MiB at most: etcd takes no more. */
const LONGEST_LINE = 16 * 1024 * 1024

const unreadable = ({ link }: Watched, what: string): StandbyError => link.unreachable(what, 'cut')

function listIn(body: string, watched: Watched): ListAnswer {
  const list = jsonIn(body)
  if (
    isObject(list) &&
    isObject(list.metadata) &&
    typeof list.metadata.resourceVersion === 'string' &&
    Array.isArray(list.items)
  )
    return list as unknown as ListAnswer
  throw unreadable(watched, 'its list cannot be read')
}

function eventIn(line: string, watched: Watched): WatchEvent {
  const event = jsonIn(line)
  if (isObject(event) && isObject(event.object) && (event.type === 'ERROR' || isObject(event.object.metadata)))
    return event as unknown as WatchEvent
  throw unreadable(watched, 'an event of its watch cannot be read')
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * The events of one watch, until the server ends it. Throws `site-unreachable` when the connection breaks or falls
 * silent.
 */
async function* events(watched: Watched, path: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  const silent = new AbortController()
  const either = AbortSignal.any([signal, silent.signal])
  let timer = setTimeout(() => silent.abort(), SILENCE)
  try {
    const response = await send(watched.link, { method: 'GET', path }, either)
    if (response.statusCode !== 200) throw watched.refused(path, await answerOf(response))
    let rest = ''
    for await (const chunk of response.setEncoding('utf8')) {
      clearTimeout(timer)
      timer = setTimeout(() => silent.abort(), SILENCE)
      const lines = (rest + (chunk as string)).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > LONGEST_LINE) throw tooLarge(LONGEST_LINE)
      for (const line of lines) if (line.trim() !== '') yield eventIn(line, watched)
    }
  } catch (error) {
    throw asUnreachable(watched.link, error)
  } finally {
    clearTimeout(timer)
    // Ends the response when the reader stops early.
    silent.abort()
  }
}
