import { readableDuration } from '../duration.ts'
import type { ProgressEvent } from '../operations/reports.ts'

/** A screen that lines are written to, and whose last line is redrawn. */
export interface Screen {
  readonly columns: number
  write(text: string): void
}

export interface LiveView {
  readonly listener: (event: ProgressEvent) => void
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
  let shown = ''
  const draw = (): void => {
    const text = mask([...running].map(([id, step]) => described(id, step, now())).join('  '))
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

function described(id: string, { begun, expected, waitingFor }: Running, now: number): string {
  const usual = expected > 0 ? ` of usually ${readableDuration(expected)}` : ''
  return `⏳ ${id} ${readableDuration(now - begun)}${usual}${waitingFor === '' ? '' : `: ${waitingFor}`}`
}
