import type { HttpAnswer } from '../../../clients/http-question.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { tlsOfRequest } from '../../../driver/declared-tls.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { isObject, type JsonObject } from '../../../values/json.ts'
import { codes } from '../codes.ts'
import { type Database, keysBelow } from '../spec.ts'
import type { PatroniStore, StoreCall } from './store.ts'
import { parsed, type StoredKey, viewOf } from './view.ts'

/** A key as the JSON gateway of etcd gives it. Revisions are numbers of 64 bits, as text. */
interface Entry extends StoredKey {
  readonly key: string
}

/** Bytes of an answer: a history has a line for every promotion. */
const MOST_BYTES = 1024 * 1024

/**
 * etcd by the JSON gateway of its v3 API (grpc-gateway; etcd 3.4 and newer serve it below `/v3`). Servers are asked in
 * turn: a write that was made, and whose answer was lost, is refused at the next one by its own precondition.
 */
export function etcdStore(
  component: Database,
  site: string,
  context: Pick<DriverContext, 'http' | 'credential'>,
  { reach, deadline, signal }: StoreCall,
): PatroniStore {
  const { store } = component.spec
  const { endpoints, user, password } = store
  const below = keysBelow(component)
  const configKey = `${below}config`
  const where = `${site} etcd ${below}`

  async function ask(path: string, body: JsonObject): Promise<JsonObject> {
    const tls = await tlsOfRequest(store, context)
    const one = (url: string, question: JsonObject, token?: string): Promise<HttpAnswer> =>
      context.http(
        {
          method: 'POST',
          url,
          body: JSON.stringify(question),
          headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: token }) },
          deadline,
          signal,
          mostBytes: MOST_BYTES,
          ...tls,
        },
        reach,
      )
    const silent: string[] = []
    for (const endpoint of endpoints[site] ?? []) {
      const base = endpoint.replace(/\/$/, '')
      try {
        const token = await login(base, one)
        const answer = await one(`${base}/v3/${path}`, body, token)
        if (answer.status === 200) return objectIn(answer.body)
        // A member without a majority answers 503: another one may have it.
        if (answer.status < 500) throw refused(endpoint, answer)
        silent.push(`${endpoint}: status ${answer.status}`)
      } catch (thrown) {
        signal.throwIfAborted()
        const error = asStandbyError(thrown)
        if (error.code !== 'http-silent') throw error
        silent.push(error.message)
      }
    }
    throw codes.error('patroni-store-silent', `no server of the store answers: ${silent.join('; ')}`, {
      retry: 'transient',
      where,
      next: `Look at etcd on ${site}: Patroni itself needs it.`,
      unanswered: true,
    })
  }

  async function login(
    base: string,
    one: (url: string, question: JsonObject) => Promise<HttpAnswer>,
  ): Promise<string | undefined> {
    if (user === undefined || password === undefined) return undefined
    const [name, secret] = await Promise.all([context.credential(user), context.credential(password)])
    const answer = await one(`${base}/v3/auth/authenticate`, { name, password: secret })
    const { token } = objectIn(answer.body)
    if (answer.status !== 200 || typeof token !== 'string') throw refused(base, answer)
    return token
  }

  const refused = (endpoint: string, { status, body }: HttpAnswer) =>
    codes.error('patroni-store-refused', `${endpoint} answers ${status}: ${messageIn(body)}`, {
      retry: 'never',
      where,
      next: 'Compare the login in the stack file with the users and roles of etcd.',
    })

  async function transaction(compare: readonly JsonObject[], success: readonly JsonObject[]): Promise<boolean> {
    const { succeeded } = await ask('kv/txn', { compare, success })
    // The gateway leaves out what is false.
    return succeeded === true
  }
  const unchanged = (revision: string): JsonObject => ({
    key: encoded(configKey),
    target: 'MOD',
    result: 'EQUAL',
    mod_revision: revision,
  })
  const isLed = (leader: string): JsonObject => ({
    key: encoded(`${below}leader`),
    target: 'VALUE',
    result: 'EQUAL',
    value: encoded(leader),
  })

  return {
    async read() {
      const answer = await ask('kv/range', { key: encoded(below), range_end: encoded(endOfRange(below)) })
      const entries = Array.isArray(answer.kvs) ? answer.kvs.flatMap(entryIn) : []
      return viewOf(new Map(entries.map((entry) => [entry.key.slice(below.length), entry])))
    },
    replaceConfig: (value, revision, leader) =>
      transaction(
        [unchanged(revision), ...(leader === undefined ? [] : [isLed(leader)])],
        [{ request_put: { key: encoded(configKey), value: encoded(JSON.stringify(value)) } }],
      ),
    forgetDatabase: (revision) =>
      transaction(
        [unchanged(revision)],
        ['initialize', 'history'].map((key) => ({ request_delete_range: { key: encoded(`${below}${key}`) } })),
      ),
    async voters() {
      const { members } = await ask('cluster/member/list', { linearizable: true })
      return Array.isArray(members) ? members.flatMap(votingIn) : []
    },
  }
}

/** The first address of a member that votes. One that has not started yet has none, and counts all the same. */
function votingIn(member: unknown): string[] {
  if (!isObject(member) || member.isLearner === true) return []
  const [url = `member ${String(member.ID ?? '')}`] = Array.isArray(member.clientURLs) ? member.clientURLs : []
  return [String(url)]
}

function entryIn(kv: unknown): Entry[] {
  if (!isObject(kv) || typeof kv.key !== 'string') return []
  // The gateway leaves out an empty value.
  const value = typeof kv.value === 'string' ? decoded(kv.value) : ''
  return [{ key: decoded(kv.key), value, revision: String(kv.mod_revision ?? '0') }]
}

const encoded = (text: string): string => Buffer.from(text, 'utf8').toString('base64')
const decoded = (text: string): string => Buffer.from(text, 'base64').toString('utf8')

/** The first key after all that begin with a prefix, which ends with `/`. */
const endOfRange = (prefix: string): string => `${prefix.slice(0, -1)}0`

const objectIn = (body: string): JsonObject => {
  const value = parsed(body)
  return isObject(value) ? value : {}
}
const messageIn = (body: string): string => String(objectIn(body).message ?? objectIn(body).error ?? body.slice(0, 200))
