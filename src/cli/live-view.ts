import { type Milliseconds, readableDuration } from '../duration.ts'
import type { ProgressEvent } from '../operations/reports.ts'
import { actionKey, type LearnedDuration, type LearnedDurations } from '../planning/expected-durations.ts'

/** A screen that lines are written to, and whose last line is redrawn. */
export interface Screen {
  readonly columns: number
  write(text: string): void
}

export interface LiveView {
  readonly listener: (event: ProgressEvent) => void
  /** What former runs took, once that is known; until then the plan's own expectation is shown. */
  learn(durations: LearnedDurations): void
  /** Writes a line above the live one. */
  line(text: string): void
  end(): void
}

interface Running {
  readonly begun: number
  readonly expected: number
  waitingFor: string
}

const CLEAR = '\r\u001b[2K'
const REDRAWN_EVERY = 250

/** What runs now, in one line at the bottom: since when, how long it usually takes, and what it waits for. */
export function liveView(
  screen: Screen,
  mask: (text: string) => string = (text) => text,
  now: () => number = () => performance.now(),
): LiveView {
  const running = new Map<string, Running>()
  let learned: LearnedDurations = new Map()
  let shown = ''
  const draw = (): void => {
    const text = mask([...running].map(([id, step]) => described(id, step, learned.get(actionKey(id)), now())).join('  '))
    const cut = text.length < screen.columns ? text : `${text.slice(0, Math.max(0, screen.columns - 2))}…`
    if (cut === shown) return
    shown = cut
    screen.write(`${CLEAR}${cut}`)
  }
  const timer = setInterval(draw, REDRAWN_EVERY)
  timer.unref()
  return {
    listener(event) {
      if (event.kind === 'step-begun') running.set(event.id, { begun: now(), expected: event.expected, waitingFor: '' })
      else if (event.kind === 'step-ended') running.delete(event.id)
      else if (event.kind === 'step-waiting') {
        const step = running.get(event.id)
        if (step !== undefined) step.waitingFor = event.waitingFor
      }
      draw()
    },
    learn(durations) {
      learned = durations
      draw()
    },
    line(text) {
      screen.write(shown === '' ? `${text}\n` : `${CLEAR}${text}\n`)
      shown = ''
      draw()
    },
    end() {
      clearInterval(timer)
      running.clear()
      draw()
    },
  }
}

function described(id: string, { begun, expected, waitingFor }: Running, usual: LearnedDuration | undefined, now: number): string {
  return `⏳ ${id} ${readableDuration(now - begun)}${compared(now - begun, expected, usual)}${waitingFor === '' ? '' : `: ${waitingFor}`}`
}

/** Half and three quarters of the former runs; said aloud when this one is slower than most. */
function compared(elapsed: Milliseconds, expected: Milliseconds, usual: LearnedDuration | undefined): string {
  if (usual === undefined) return expected > 0 ? ` of usually ${readableDuration(expected)}` : ''
  const { p50, p75, runs } = usual
  if (elapsed > p75) return ` LONGER than ${readableDuration(p75)}, which 3 of 4 runs kept (${runs} known)`
  return ` of usually ${readableDuration(p50)} to ${readableDuration(p75)}`
}
