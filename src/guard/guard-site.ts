import type { SiteName, Stack } from '../domain/stack.ts'
import type { DriverContext } from '../driver/context.ts'
import { asStandbyError, siteError } from '../errors/standby-error.ts'
import { type Milliseconds, readableDuration, seconds } from '../values/duration.ts'
import { readActive } from '../witness/active.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import type { Closing } from './close-site.ts'
import { closesWithin, pauseOf, READ_DEADLINE } from './closing-time.ts'
import {
  beat,
  beginLife,
  type Decision,
  disbelief,
  type GuardRules,
  guardDecision,
  type Knowledge,
  learn,
  type Reading,
} from './decide.ts'
import { type GuardReport, HEARTBEAT } from './report.ts'

export interface Guard {
  readonly stack: Stack
  readonly site: SiteName
  readonly context: DriverContext
  /** Closes what of the site the guard reaches; `mayClose` as in `closeSite`. */
  readonly close: (activeSite: SiteName, mayClose: () => Promise<boolean>) => Promise<Closing>
  /**
   * Answers the starts that wait at a gate, until the signal aborts: each by a decision that follows a reading of its
   * own.
   */
  readonly serve?: (decide: () => Promise<Decision>, signal: AbortSignal) => Promise<void>
  readonly rules: GuardRules
  readonly every: Milliseconds
  readonly store: Pick<ConditionalStore, 'get' | 'stack'>
  /** Milliseconds since the machine started, its sleep included. */
  readonly uptime: () => Milliseconds
  readonly random: () => number
  /** The knowledge of an earlier process of the same pod: survives a crash of the process, not a boot. */
  readonly memory: { load(): Knowledge | null; save(knowledge: Knowledge): void }
  /** Publishes the report; a failure is logged and tried again. */
  readonly publish: (report: GuardReport) => Promise<void>
  readonly configuration: string
}

/** A fraction of the shortest silence that can be declared. */
const BEAT: Milliseconds = 500
/** The pause while a component is open that should be closed. */
const IMPATIENT: Milliseconds = seconds(1)
const NOTHING: Closing = { closed: [], effects: [], open: [] }

/**
 * Watches the witness until the signal aborts, and closes the site whenever it must not be open. Never opens anything.
 */
export async function guardSite(guard: Guard): Promise<void> {
  const { context, site, rules } = guard
  let known = guard.memory.load() ?? beginLife(guard.uptime())
  let silent: string | null = 'it was not asked yet'
  let turn: Promise<unknown> = Promise.resolve()

  /** One reading after the other: a late answer must not replace a newer one. */
  const decide = (): Promise<Decision> => {
    const mine = turn.then(async () => {
      const askedAt = guard.uptime()
      const answer = await readRecord(guard)
      const now = guard.uptime()
      // A process that was frozen between request and answer has missed its deadline: the answer is old.
      const late = now - askedAt > READ_DEADLINE
      const reading: Reading = late
        ? { is: 'unreadable', why: `its answer is ${readableDuration(now - askedAt)} old` }
        : answer
      silent = reading.is === 'unreadable' ? reading.why : disbelief(beat(known, now, rules), reading)
      known = learn(known, reading, now, rules, askedAt)
      guard.memory.save(known)
      return guardDecision(site, known, now, rules)
    })
    turn = mine.catch(() => undefined)
    return mine
  }

  const reporter = reporterOf(guard)
  const close = (): Promise<Closing> =>
    guard
      .close(otherSite(guard, known.activeSite), async () => (await decide()).do === 'close')
      .catch((error: unknown): Closing => ({ ...NOTHING, open: [{ what: site, why: asStandbyError(error).message }] }))
  const alive = setInterval(() => {
    known = beat(known, guard.uptime(), rules)
  }, BEAT)
  context.signal.addEventListener('abort', () => clearInterval(alive), { once: true })
  const served = guard.serve?.(decide, context.signal)
  while (!context.signal.aborted) {
    const closing = (await decide()).do === 'close' ? await close() : NOTHING
    if (context.signal.aborted) break
    // Decided again: the site may have become the active one in the meantime.
    await reporter(guardDecision(site, known, guard.uptime(), rules), known, silent, closing)
    const every = closing.open.length > 0 ? Math.min(guard.every, IMPATIENT) : guard.every
    await context.clock.sleep(pauseOf(every, guard.random()), context.signal).catch(() => undefined)
  }
  await served
}

/** The site passed to fence steps as `to`: the active one, or any other if unknown. */
function otherSite(guard: Guard, activeSite: string | null): SiteName {
  const others = guard.stack.sites.filter(({ name }) => name !== guard.site)
  return (others.find(({ name }) => name === activeSite) ?? others[0])?.name ?? guard.site
}

async function readRecord(guard: Guard): Promise<Reading> {
  const late = AbortSignal.timeout(READ_DEADLINE)
  const ended = AbortSignal.any([guard.context.signal, late])
  const unanswered = new Promise<never>((_, reject) => {
    ended.addEventListener(
      'abort',
      () => reject(siteError('witness-unreachable', `no answer within ${readableDuration(READ_DEADLINE)}`)),
      {
        once: true,
      },
    )
  })
  try {
    const active = await Promise.race([readActive(guard.store as ConditionalStore), unanswered])
    if (active === null) return { is: 'unreadable', why: 'it holds no active.json' }
    const { epoch, activeSite } = active.record
    const declared = guard.stack.sites.some(({ name }) => name === activeSite)
    return { is: 'read', epoch, activeSite, ...(declared ? {} : { undeclared: true }) }
  } catch (error) {
    return { is: 'unreadable', why: asStandbyError(error).message }
  }
}

type Reporter = (decision: Decision, known: Knowledge, silent: string | null, closing: Closing) => Promise<void>

/** One line per change of state; a report at each change and at each heartbeat. */
function reporterOf(guard: Guard): Reporter {
  const { context, site } = guard
  let said = ''
  let decided = ''
  let since = ''
  let published = { state: '', at: Number.NEGATIVE_INFINITY }
  let unpublished = ''
  let lastClosing: GuardReport['lastClosing'] = null
  return async (decision, known, silent, closing) => {
    const at = context.clock.now().toISOString()
    if (`${decision.do} ${decision.because}` !== decided) since = at
    decided = `${decision.do} ${decision.because}`
    if (closing.effects.length > 0) lastClosing = { at, steps: closing.effects }
    const report: GuardReport = {
      schemaVersion: 1,
      at,
      since,
      site,
      decision: decision.do,
      because: decision.because,
      epoch: known.epoch,
      activeSite: known.activeSite,
      witnessSilent: silent,
      closed: closing.closed,
      open: closing.open,
      lastClosing,
      configuration: guard.configuration,
      closesWithin: closesWithin({ ...guard.rules, every: guard.every }),
    }
    const line = lineOf(report)
    if (line !== said) context.log.info(line)
    said = line
    const now = guard.uptime()
    if (line === published.state && now - published.at < HEARTBEAT) return
    try {
      await guard.publish(report)
      published = { state: line, at: now }
      unpublished = ''
    } catch (error) {
      const why = asStandbyError(error).message
      if (why !== unpublished && !context.signal.aborted) context.log.warning(`the report cannot be written: ${why}`)
      unpublished = why
    }
  }
}

const WORDS: Readonly<Record<Decision['because'], string>> = {
  active: 'is the active site',
  'active-and-silent': 'was proven active, and the witness is silent now: it stays open',
  'not-proven-yet': 'is not proven active yet',
  'not-active': 'is not the active site',
  'not-proven': 'is not proven active, and the witness has been silent too long',
  'silent-too-long': 'was proven active, and the witness has been silent for longer than closeAfter allows',
}

function lineOf(report: GuardReport): string {
  const parts = [
    `${report.site} ${WORDS[report.because]} (epoch ${report.epoch}, active: ${report.activeSite ?? 'unknown'})`,
  ]
  if (report.witnessSilent !== null) parts.push(`witness: ${report.witnessSilent}`)
  if (report.closed.length > 0) parts.push(`closed: ${report.closed.join(', ')}`)
  if (report.open.length > 0)
    parts.push(`STILL OPEN: ${report.open.map(({ what, why }) => `${what} (${why})`).join('; ')}`)
  return parts.join('; ')
}
