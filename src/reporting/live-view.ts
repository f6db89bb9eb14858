import type { ProgressEvent } from '../execution/progress.ts'
import { actionKey, type LearnedDuration, type LearnedDurations } from '../planning/expected-durations.ts'
import { type Milliseconds, readableDuration } from '../values/duration.ts'
import { oneLine } from '../values/harmless-text.ts'

/** A terminal that lines are written to, and whose last line is redrawn. */
export interface Screen {
  readonly columns: number
  write(text: string): void
}

export interface LiveView {
  readonly listener: (event: ProgressEvent) => void
  /** The durations of former runs, when they are known; until then the plan's own expectation is shown. */
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

/** The running steps in one line at the bottom: since when, how long they usually take, and what they wait for. */
export function liveView(
  screen: Screen,
  mask: (text: string) => string = (text) => text,
  now: () => number = () => performance.now(),
): LiveView {
  const running = new Map<string, Running>()
  let learned: LearnedDurations = new Map()
  let shown = ''
  const draw = (): void => {
    const text = [...running].map(([id, step]) => described(id, step, learned.get(actionKey(id)), now())).join('  ')
    // Masked first: a secret of two lines is no longer found after it is put on one line. A terminal that does not know
    // its width says 0.
    const cut = within(screen.columns || 80, oneLine(mask(text)))
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

/**
 * The part that fits into one line of so many cells. The last cell stays free: some terminals wrap when it is written.
 */
function within(columns: number, text: string): string {
  if (cellsOf(text) < columns) return text
  let kept = ''
  for (const char of text) {
    if (cellsOf(kept) + cellsOf(char) > columns - 2) break
    kept += char
  }
  return `${kept}…`
}

/** The cells that a text takes in a terminal: East Asian characters and emoji take two, combining marks none. */
export const cellsOf = (text: string): number => [...text].reduce((cells, char) => cells + cellsOfSign(char), 0)
function cellsOfSign(sign: string): 0 | 1 | 2 {
  if (/\p{M}/u.test(sign)) return 0
  return WIDE.test(sign) ? 2 : 1
}
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u

function described(
  id: string,
  { begun, expected, waitingFor }: Running,
  usual: LearnedDuration | undefined,
  now: number,
): string {
  return `▸ ${id} ${readableDuration(now - begun)}${compared(now - begun, expected, usual)}${waitingFor === '' ? '' : `: ${waitingFor}`}`
}

/** The time of half and of three quarters of the former runs; in capitals when this run is slower than most. */
function compared(elapsed: Milliseconds, expected: Milliseconds, usual: LearnedDuration | undefined): string {
  if (usual === undefined) return expected > 0 ? ` of usually ${readableDuration(expected)}` : ''
  const { p50, p75, runs } = usual
  if (elapsed > p75) return ` LONGER than ${readableDuration(p75)}, which 3 of 4 runs kept (${runs} known)`
  return ` of usually ${readableDuration(p50)} to ${readableDuration(p75)}`
}
