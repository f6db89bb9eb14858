import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { median } from '../src/values/percentile.ts'
import { cacheDirectory, cached } from './topology.ts'

export interface Progress {
  /** Runs one step, shows its elapsed and usual time, and remembers how long it took. */
  step<T>(name: string, run: () => Promise<T>): Promise<T>
  /** Shows that something moves inside a running step. */
  detail(name: string, text: string): void
  note(line: string): void
  end(): void
}

/**
 * A first build, a start from the cache and a second `up` on a running lab take very different times, and so do a lab
 * of Kubernetes and one of machines: each learns from its own kind.
 */
export type Occasion = Start | `machines ${Start}` | 'drill on machines' | 'drill with Consul'
export type Start = 'cold' | 'warm' | 'running'

type Durations = Record<string, number[]>

/** The median of former runs in milliseconds, or undefined when a step has never run. */
export function usual(history: readonly number[] | undefined): number | undefined {
  return history === undefined || history.length === 0 ? undefined : median(history)
}

export const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`

/**
 * Progress on a terminal (one live line below the finished steps) or in a log (one line per finished step, a sign of
 * life each 20 s).
 */
export function startProgress(occasion: Occasion, stream: NodeJS.WriteStream = process.stderr): Progress {
  const all = readDurations()
  const durations = all[occasion] ?? {}
  const running = new Map<string, { since: number; detail: string }>()
  const live = stream.isTTY === true
  const begin = Date.now()
  const usually = (name: string) => {
    const expected = usual(durations[name])
    return expected === undefined ? '' : ` (usually ${seconds(expected)})`
  }
  const draw = () => {
    const parts = [...running].map(([name, { since, detail }]) => {
      const expected = usual(durations[name])
      const of = expected === undefined ? '' : ` of ~${Math.round(expected / 1000)}`
      return `${name}${detail === '' ? '' : ` ${detail}`} ${Math.round((Date.now() - since) / 1000)}${of} s`
    })
    return `${seconds(Date.now() - begin).padStart(7)}  … ${parts.join(' · ')}`
  }
  const clear = () => {
    if (live) stream.write('\r\u001b[K')
  }
  const redraw = () => {
    if (live && running.size > 0) stream.write(`\r\u001b[K${draw().slice(0, (stream.columns ?? 100) - 1)}`)
  }
  const print = (line: string) => {
    clear()
    stream.write(`${line}\n`)
    redraw()
  }
  const timer = setInterval(() => (live ? redraw() : running.size > 0 && print(draw())), live ? 500 : 20_000)
  timer.unref()
  return {
    async step(name, run) {
      const since = Date.now()
      running.set(name, { since, detail: '' })
      redraw()
      try {
        const result = await run()
        const took = Date.now() - since
        print(`${seconds(Date.now() - begin).padStart(7)}  ✓ ${name} ${seconds(took)}${usually(name)}`)
        durations[name] = [...(durations[name] ?? []), took].slice(-9)
        return result
      } catch (error) {
        print(`${seconds(Date.now() - begin).padStart(7)}  ✗ ${name} ${seconds(Date.now() - since)}`)
        throw error
      } finally {
        running.delete(name)
      }
    },
    detail(name, text) {
      const entry = running.get(name)
      if (entry !== undefined) entry.detail = text.slice(0, 60)
    },
    note: print,
    end() {
      clearInterval(timer)
      clear()
      writeDurations({ ...all, [occasion]: durations })
    },
  }
}

function readDurations(): Partial<Record<Occasion, Durations>> {
  try {
    return JSON.parse(readFileSync(cached('durations.json'), 'utf8'))
  } catch {
    return {}
  }
}

function writeDurations(durations: Partial<Record<Occasion, Durations>>): void {
  mkdirSync(cacheDirectory(), { recursive: true })
  writeFileSync(cached('durations.json'), JSON.stringify(durations, null, 1))
}
