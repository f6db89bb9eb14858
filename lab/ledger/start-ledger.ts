import { randomBytes } from 'node:crypto'
import { type Credentials, createSecretQuestion, logIn, Refused } from './application-client.ts'
import { type Answer, type HttpConnection, NoAnswer, openConnection } from './http-connection.ts'
import { type LedgerSummary, summarize } from './judge-ledger.ts'
import { idOf, type LedgerEntry, type Outcome } from './ledger-entry.ts'
import { type LedgerFile, openLedgerFile } from './ledger-file.ts'

export interface LedgerOptions {
  /** Of the load balancers; the next one is tried when one does not take a write. */
  readonly addresses: readonly string[]
  readonly credentials: Credentials
  readonly intervalMs: number
  /** JSON lines, appended and synced. */
  readonly file: string
  /** From sending a write to its answer; later it is unknown. */
  readonly answerMs?: number
}

export interface Ledger {
  readonly run: string
  readonly entries: readonly LedgerEntry[]
  /** Ends when all writes in hand have ended and are on the disk. */
  stop(): Promise<LedgerSummary>
}

const ANSWER_MS = 2_000
/**
 * While nothing answers, writes wait side by side, so that the first moment of the recovery is seen; this many are
 * enough for that.
 */
const MAX_IN_HAND = 32
/** A refused login is not repeated by each write at once. */
const LOGIN_PAUSE_MS = 100

/** Milliseconds since 1970 that a correction of the machine's clock does not move. */
const now = (): number => Math.round((performance.timeOrigin + performance.now()) * 10) / 10

/**
 * Writes one secret per interval and keeps the answer, until it is stopped. Failures of the application are
 * results, never errors.
 */
export async function startLedger(options: LedgerOptions): Promise<Ledger> {
  const run = randomBytes(4).toString('hex').toUpperCase()
  const file = await openLedgerFile(options.file)
  const writer = openWriter(options)
  const entries: LedgerEntry[] = []
  const inHand = new Set<Promise<void>>()
  let sequence = 0
  const tick = (): void => {
    if (inHand.size >= MAX_IN_HAND) return
    sequence += 1
    const one = writeOne({ run, sequence, writer, file, entries })
    inHand.add(one)
    void one.finally(() => inHand.delete(one))
  }
  const timer = setInterval(tick, options.intervalMs)
  tick()
  return {
    run,
    entries,
    stop: async () => {
      clearInterval(timer)
      await Promise.all(inHand)
      await file.close()
      writer.close()
      return summarize(run, options.file, entries)
    },
  }
}

interface OneWrite {
  readonly run: string
  readonly sequence: number
  readonly writer: Writer
  readonly file: LedgerFile
  readonly entries: LedgerEntry[]
}

async function writeOne({ run, sequence, writer, file, entries }: OneWrite): Promise<void> {
  const id = idOf(run, sequence)
  const startedAt = now()
  await file.intend({ sequence, id, startedAt })
  const result = await writer.write(id)
  const entry = { sequence, id, startedAt, endedAt: now(), ...result }
  entries.push(entry)
  await file.append(entry)
}

type Result = Pick<LedgerEntry, 'outcome' | 'address' | 'site' | 'reason'>

interface Writer {
  write(id: string): Promise<Result>
  close(): void
}

/**
 * One id goes to the next address only while it is certain that no address has taken it: a write whose fate is open is
 * never repeated, because the second answer would be about two writes.
 */
function openWriter({ addresses, credentials, answerMs = ANSWER_MS }: LedgerOptions): Writer {
  const connections = addresses.map(openConnection)
  let preferred = 0
  const sessions = openSessions(credentials)
  const attempt = async (connection: HttpConnection, id: string): Promise<Result> => {
    const { address } = connection
    try {
      const token = await sessions.token(connection)
      const answer = await connection.ask(createSecretQuestion(id, `value of ${id}`, token, credentials, answerMs))
      if (answer.status === 401 || answer.status === 403) sessions.forget(token)
      return { address, site: answer.site, ...outcomeOf(answer) }
    } catch (error) {
      return { address, site: null, ...outcomeOfError(error) }
    }
  }
  return {
    write: async (id) => {
      let result: Result | null = null
      // One more than there are addresses: a refused token costs one attempt.
      for (let tries = 0; tries <= connections.length; tries++) {
        const at = preferred
        const connection = connections[at % connections.length]
        if (connection === undefined) break
        result = await attempt(connection, id)
        const tokenRefused = result.reason === 'http-401' || result.reason === 'http-403'
        // Another write may have moved on already.
        if (result.outcome !== 'acknowledged' && !tokenRefused && preferred === at) preferred = at + 1
        if (result.outcome !== 'failed') break
      }
      return result ?? { outcome: 'failed', address: '', site: null, reason: 'no-address' }
    },
    close: () => {
      for (const connection of connections) connection.close()
    },
  }
}

/**
 * 4xx and 503 promise that nothing was written; any other answer leaves it open (a gateway's 502 and 504 come after the
 * request went on).
 */
export function outcomeOf({ status }: Pick<Answer, 'status'>): { outcome: Outcome; reason: string | null } {
  if (status === 200 || status === 201) return { outcome: 'acknowledged', reason: null }
  const refused = (status >= 400 && status < 500 && status !== 408) || status === 503
  return { outcome: refused ? 'failed' : 'unknown', reason: `http-${status}` }
}

class LoginFailed extends Error {}

function outcomeOfError(error: unknown): { outcome: Outcome; reason: string } {
  if (error instanceof LoginFailed) return { outcome: 'failed', reason: error.message }
  if (error instanceof NoAnswer) return { outcome: error.sent ? 'unknown' : 'failed', reason: error.reasonCode }
  // Our own defect; what it has cost is open.
  return { outcome: 'unknown', reason: `ledger-defect: ${error instanceof Error ? error.message : String(error)}` }
}

interface Sessions {
  token(connection: HttpConnection): Promise<string>
  forget(token: string): void
}

function endOf(error: unknown): string {
  if (error instanceof Refused) return `http-${error.status}`
  return error instanceof NoAnswer ? error.reasonCode : 'failed'
}

/** One token for all writes; while a login is under way all wait for it. */
function openSessions(credentials: Credentials): Sessions {
  let session: Promise<string> | null = null
  let current: string | null = null
  const begin = async (connection: HttpConnection): Promise<string> => {
    try {
      current = await logIn(connection, credentials)
      return current
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve, LOGIN_PAUSE_MS))
      session = null
      throw new LoginFailed(`login-${endOf(error)}`)
    }
  }
  return {
    token: (connection) => {
      session ??= begin(connection)
      return session
    },
    forget: (token) => {
      // Writes that were under way with the old token must not throw the new one away.
      if (token === current) session = null
    },
  }
}
