import { PHASES, type Phase } from '../../src/planning/plan.ts'

/** What goes wrong around a move. The first three take the active site away; the others trouble a planned move while it runs. */
export const TROUBLES = ['cut', 'freeze', 'kill', 's3-gone', 'balancer-gone', 'slow-wan', 'none'] as const
export type Trouble = (typeof TROUBLES)[number]

/** Where the runner dies: at the first line that says that a step of the phase begins, waits, or is done. */
export interface CrashPoint {
  readonly phase: Phase
  readonly at: 'begins' | 'waits' | 'done'
}

export interface MatrixCase {
  readonly trouble: Trouble
  readonly mode: 'switchover' | 'failover'
  /** null: the runner lives. */
  readonly crash: CrashPoint | null
}

export const nameOf = ({ trouble, mode, crash }: MatrixCase): string =>
  `${mode}, ${trouble}${crash === null ? '' : `, the runner dies when ${crash.phase} ${crash.at}`}`

const SITE_TROUBLES: ReadonlySet<Trouble> = new Set(['cut', 'freeze', 'kill'])
const CRASH_PHASES: readonly Phase[] = PHASES.filter((phase) => phase !== 'GREEN' && phase !== 'CLOSED')

/** Every trouble with a runner that lives, and with one that dies at each point. */
export const allCases: readonly MatrixCase[] = TROUBLES.flatMap((trouble) => {
  const mode = SITE_TROUBLES.has(trouble) ? 'failover' : 'switchover'
  const crashes = CRASH_PHASES.flatMap((phase) => (['begins', 'waits', 'done'] as const).map((at) => ({ phase, at })))
  return [null, ...crashes].map((crash): MatrixCase => ({ trouble, mode, crash }))
})

/** A sample that the seed decides: each lost site first, so that a small sample already shows failovers. */
export function sampleOf(count: number, seed: number): MatrixCase[] {
  const random = generator(seed)
  const chosen: MatrixCase[] = []
  while (chosen.length < Math.min(count, allCases.length)) {
    const trouble = TROUBLES[(chosen.length + seed) % TROUBLES.length]
    const left = allCases.filter((one) => one.trouble === trouble && !chosen.includes(one))
    const pick = left[Math.floor(random() * left.length)] ?? allCases.find((one) => !chosen.includes(one))
    if (pick === undefined) break
    chosen.push(pick)
  }
  return chosen
}

/** A small known generator (mulberry32): the same seed gives the same cases everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Whether a line of the execute job is where the runner dies. Lines: `PHASE  step: title`, `…: waiting for …`, `…: done (…)`. */
export function isCrashPoint(crash: CrashPoint, line: string): boolean {
  const match = /^([A-Z_]+) +(\S+): (.*)$/.exec(line)
  if (match === null || match[1] !== crash.phase) return false
  const said = match[3] ?? ''
  const is = /^(done|was-done) \(/.test(said) ? 'done' : /^(waiting for|another try)/.test(said) ? 'waits' : 'begins'
  return is === crash.at
}
