import { mkdirSync, readdirSync, readFileSync, renameSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SeenUnit } from '../driver/guarded-units.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import type { Decision } from './decide.ts'
import type { MachineUnit } from './machine-units.ts'

/** The answer to a start that waits at the gate. wait: it is judged again. */
export interface Verdict {
  readonly is: 'open' | 'shut' | 'wait'
  readonly why: string
}

/**
 * Whether a unit may start now. A start that takes no write is let through whatever the witness says, so a passive site
 * comes up without it. Any other one needs the proof that the site is active; before that it waits, and once the
 * witness has named another site it is refused. Pure.
 */
export function verdictOf(decision: Decision, { start, why }: SeenUnit): Verdict {
  if (isProven(decision)) return PROVEN
  if (start === 'harmless') return { is: 'open', why }
  if (start === 'unknown') return { is: 'wait', why: `it is not known what its start would do: ${why}` }
  if (decision.because === 'not-active') return { is: 'shut', why: `another site is active, and ${why}` }
  return { is: 'wait', why: `the site is not proven active, and ${why}` }
}

const isProven = (decision: Decision): boolean => decision.do === 'stand-by' && decision.because !== 'not-proven-yet'
const PROVEN: Verdict = { is: 'open', why: 'the site is proven active' }

/** A start that waits: which service, and the mark that its answer repeats. */
interface Waiting {
  readonly service: string
  readonly mark: string
}

interface GateAround {
  /** Below it are `asks` and `answers`, with a file for each service. */
  readonly folder: string
  readonly units: readonly MachineUnit[]
  readonly log: Log
  readonly clock: Clock
}

/** A start is seen by a watch; where that is missed, at this pace. */
const LOOK_AGAIN: Milliseconds = seconds(1)
const JUDGE_AGAIN: Milliseconds = 500

/**
 * Answers the starts that wait on this machine, each by a decision that was made after it asked. Until the signal
 * aborts; never throws.
 */
export async function serveGate(
  around: GateAround,
  decide: () => Promise<Decision>,
  signal: AbortSignal,
): Promise<void> {
  const { folder, clock, log } = around
  const answered = new Map<string, string>()
  const asks = join(folder, 'asks')
  let changes: Changes | null = null
  while (!signal.aborted) {
    try {
      changes ??= watched(asks, signal)
      const waiting = waitingIn(asks).filter(({ service, mark }) => answered.get(service) !== mark)
      if (waiting.length === 0) await changes.next(clock)
      else {
        // One reading for all that have asked: the guard's own ones, on which its closing rests, wait for it.
        let reading: Promise<Decision> | null = null
        const decideOnce = (): Promise<Decision> => {
          reading ??= decide()
          return reading
        }
        await Promise.all(waiting.map((one) => answer(around, one, decideOnce, answered, signal)))
        if (waiting.some(({ service, mark }) => answered.get(service) !== mark)) await clock.sleep(JUDGE_AGAIN, signal)
      }
    } catch (error) {
      if (signal.aborted) return
      log.warning(`starts cannot be judged: ${asStandbyError(error).message}`)
      await clock.sleep(LOOK_AGAIN, signal).catch(() => undefined)
    }
  }
}

async function answer(
  { folder, units, log }: GateAround,
  { service, mark }: Waiting,
  decide: () => Promise<Decision>,
  answered: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const unit = units.find((one) => one.service === service)
  const verdict =
    unit === undefined
      ? ({ is: 'open', why: 'the stack file does not declare it' } as const)
      : await judge(unit, decide, signal)
  if (signal.aborted) return
  const why = verdict.why.replace(/\s+/g, ' ')
  replaceFile(join(folder, 'answers', service), `${mark} ${verdict.is} ${why}\n`)
  if (verdict.is === 'wait') return
  answered.set(service, mark)
  log.info(`${verdict.is === 'open' ? 'lets' : 'does not let'} ${service} start: ${why}`)
}

/** By the first of both answers that decides alone: a passive site does not wait for a silent witness. */
function judge(unit: MachineUnit, decide: () => Promise<Decision>, signal: AbortSignal): Promise<Verdict> {
  const [decided, seen] = [decide(), unit.look(signal)]
  const both = Promise.all([decided, seen]).then(([decision, state]) => verdictOf(decision, state))
  return Promise.race([
    decided.then((decision) => (isProven(decision) ? PROVEN : both)),
    seen.then(({ start, why }) => (start === 'harmless' ? { is: 'open' as const, why } : both)),
  ])
}

function replaceFile(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

function waitingIn(asks: string): Waiting[] {
  return readdirSync(asks)
    .filter((name) => !name.startsWith('.'))
    .flatMap((service) => {
      const mark = markIn(join(asks, service))
      return mark === null ? [] : [{ service, mark }]
    })
}

/** null: the start has ended meanwhile, or its file is not of the gate. */
function markIn(path: string): string | null {
  try {
    const mark = readFileSync(path, 'utf8').trim()
    return /^[-.\w]{1,80}$/.test(mark) ? mark : null
  } catch {
    return null
  }
}

/** Wakes at a change in a folder, or after a pause. */
interface Changes {
  next(clock: Clock): Promise<void>
}

/**
 * The folder is made where it is missing. Without a watch the pause alone wakes: a machine may have no more of them
 * (`fs.inotify.max_user_instances`), and its guard must still close it.
 */
function watched(folder: string, signal: AbortSignal): Changes {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  let changed = false
  let wake = (): void => undefined
  try {
    const watcher = watch(folder, { signal }, () => {
      changed = true
      wake()
    })
    watcher.on('error', () => undefined)
  } catch {
    // The next look comes after the pause.
  }
  return {
    async next(clock) {
      if (!changed) {
        const woken = new AbortController()
        wake = () => woken.abort()
        await clock.sleep(LOOK_AGAIN, AbortSignal.any([signal, woken.signal])).catch(() => undefined)
      }
      changed = false
    },
  }
}
