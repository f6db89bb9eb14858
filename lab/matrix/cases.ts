import { type Mode, PHASES, type Phase } from '../../src/domain/plan.ts'
import { LOSSES, type Loss } from '../lose-site.ts'

/** Troubles that begin while a move runs, and pass. */
export const PASSING = ['s3-gone', 'balancer-gone', 'narrow', 'operator-away', 'none'] as const
/**
 * Another controller writes the old values back, and the move ends by itself. `controller` begins before the move.
 * `controller-helm` keeps the objects of the release alone, so that the second look at the database sees nothing.
 * `controller-midway` begins when the doors are closed, `controller-demoting` while the database is demoted.
 */
export const FIGHTS = ['controller', 'controller-helm', 'controller-midway', 'controller-demoting'] as const
/**
 * The same after the point of no return, for 40 s: it keeps the release alone, and a deploy repairs what it leaves.
 */
export const FIGHTS_LATE = ['controller-late'] as const
export type Fight = (typeof FIGHTS)[number] | (typeof FIGHTS_LATE)[number]
/**
 * The runner is far away: each answer takes 1.5 s, and packets are lost; `slow` from the sites and a load balancer,
 * `slow-witness` from the store of the witness too. Users are as near as before, so no case needs a runner that
 * dies as well.
 */
export const FAR = ['slow', 'slow-witness'] as const
export type Trouble = Loss | (typeof PASSING)[number] | Fight | (typeof FAR)[number]
export const TROUBLES: readonly Trouble[] = [...LOSSES, ...PASSING, ...FIGHTS, ...FIGHTS_LATE, ...FAR]

/** Where the runner dies: at the first line that says that a step of the phase begins, waits, or is done. */
export interface CrashPoint {
  readonly phase: Phase
  readonly at: 'begins' | 'waits' | 'done'
}

export interface MatrixCase {
  readonly trouble: Trouble
  /**
   * The move that meets the trouble, and whose runner dies. An undisturbed rejoin follows a failover, and an
   * undisturbed failover comes before a rejoin.
   */
  readonly mode: TriedMode
  /** null: the runner lives. */
  readonly crash: CrashPoint | null
  /**
   * The run of a dead runner is taken back instead of continued; that of a failover when its lost site is there
   * again.
   */
  readonly takenBack: boolean
  /** Of a failover: where a switchover was when the site was lost. That switchover is never ended. */
  readonly amid: LostAmid | null
}

/**
 * The runner of the switchover dies there, and the site is lost before another process continues the run; or the site
 * is lost there, and its runner lives.
 */
export interface LostAmid extends CrashPoint {
  readonly runner: 'dies' | 'lives'
}

export function nameOf({ trouble, mode, crash, takenBack, amid }: MatrixCase): string {
  const dies = (point: CrashPoint): string => `the runner dies when ${point.phase} ${point.at}`
  return [
    mode,
    trouble,
    ...(amid === null
      ? []
      : [
          `amid a switchover: ${amid.runner === 'dies' ? dies(amid) : `when ${amid.phase} ${amid.at}, and its runner lives`}`,
        ]),
    ...(crash === null ? [] : [dies(crash)]),
    ...(takenBack ? [mode === 'failover' ? 'the site comes back, and it is taken back' : 'and it is taken back'] : []),
  ].join(', ')
}

export const isFought = ({ trouble }: Pick<MatrixCase, 'trouble'>): boolean =>
  (FIGHTS as readonly Trouble[]).includes(trouble)

const isLoss = (trouble: Trouble): trouble is Loss => (LOSSES as readonly Trouble[]).includes(trouble)

/**
 * How the active site is lost in a case; null where it lives on. A passing trouble is tried on a failover from a killed
 * site.
 */
export function lossIn({ trouble, mode }: Pick<MatrixCase, 'trouble' | 'mode'>): Loss | null {
  if (mode === 'switchover') return null
  return isLoss(trouble) ? trouble : 'kill'
}

/**
 * Whether the history of the former active site ends: its last writes may be lost, and it rejoins. False for a move
 * that is taken back.
 */
export const historyEnds = ({ mode, takenBack }: Pick<MatrixCase, 'mode' | 'takenBack'>): boolean =>
  mode !== 'switchover' && !takenBack

/** The modes that are tried with troubles; another test opens a site that its guard has shut. */
const TRIED = ['switchover', 'failover', 'rejoin'] as const satisfies readonly Mode[]
type TriedMode = (typeof TRIED)[number]

/**
 * Phases in which a mode has no step: nothing is fenced on a site whose API is silent, and users of a rejoin notice
 * nothing.
 */
const WITHOUT_STEPS: Readonly<Record<TriedMode, readonly Phase[]>> = {
  switchover: ['GREEN'],
  failover: ['PREPARE', 'FENCE', 'GREEN'],
  rejoin: ['PREPARE', 'PROMOTE', 'SMOKE', 'TRAFFIC'],
}

const crashesOf = (mode: TriedMode): CrashPoint[] =>
  PHASES.filter((phase) => !WITHOUT_STEPS[mode].includes(phase)).flatMap((phase) =>
    (['begins', 'waits', 'done'] as const).map((at) => ({ phase, at })),
  )

/**
 * Phases in which something was changed and nothing is promoted, so that a person would take the move back. A rejoin
 * only goes on, for users notice nothing of it.
 */
const TAKEN_BACK_IN: Readonly<Record<TriedMode, readonly Phase[]>> = {
  switchover: ['PREPARE', 'DRAIN', 'FENCE'],
  failover: ['DRAIN', 'FINAL_SYNC'],
  rejoin: [],
}

/** After the lock, and before the point of no return: the witness still names the site that is lost. */
const LOST_IN: Readonly<Record<LostAmid['runner'], readonly Phase[]>> = {
  dies: ['PREPARE', 'DRAIN', 'FENCE', 'FINAL_SYNC'],
  // A site whose database was demoted in good order is needed no more: a living runner moves on without it.
  lives: ['PREPARE', 'DRAIN', 'FENCE'],
}

const troubledMoves: readonly MatrixCase[] = [...LOSSES, ...PASSING].flatMap((trouble) =>
  (isLoss(trouble) ? (['failover'] as const) : TRIED).flatMap((mode) =>
    [null, ...crashesOf(mode)].flatMap((crash): MatrixCase[] => {
      const one = { trouble, mode, crash, takenBack: false, amid: null }
      const back = crash !== null && TAKEN_BACK_IN[mode].includes(crash.phase)
      return back ? [one, { ...one, takenBack: true }] : [one]
    }),
  ),
)

const lostAmidSwitchovers: readonly MatrixCase[] = LOSSES.flatMap((trouble) =>
  (['dies', 'lives'] as const).flatMap((runner) =>
    crashesOf('switchover')
      .filter(({ phase }) => LOST_IN[runner].includes(phase))
      // A replica that streams has caught up when it is looked at: that step waits for nothing.
      .filter(
        ({ phase, at }) =>
          !(phase === 'FINAL_SYNC' && at === 'waits') && !(runner === 'lives' && phase === 'FENCE' && at === 'done'),
      )
      .map(
        (point): MatrixCase => ({
          trouble,
          mode: 'failover',
          crash: null,
          takenBack: false,
          amid: { ...point, runner },
        }),
      ),
  ),
)

const foughtSwitchovers: readonly MatrixCase[] = FIGHTS.map((trouble) => ({
  trouble,
  mode: 'switchover',
  crash: null,
  takenBack: true,
  amid: null,
}))

const steadyMoves: readonly MatrixCase[] = [...FIGHTS_LATE, ...FAR].map((trouble) => ({
  trouble,
  mode: 'switchover',
  crash: null,
  takenBack: false,
  amid: null,
}))

/**
 * Every trouble in every mode in which it can occur, with a runner that lives, and with one that dies at each point;
 * what can be taken back is taken back too. And every way to lose a site during a switchover from it.
 */
export const allCases: readonly MatrixCase[] = [
  ...troubledMoves,
  ...lostAmidSwitchovers,
  ...foughtSwitchovers,
  ...steadyMoves,
]

/**
 * A sample of some cases that the seed decides: one trouble after another, so that a small one already shows different
 * ones.
 */
export function sampleOf(cases: readonly MatrixCase[], count: number, seed: number): MatrixCase[] {
  const random = generator(seed)
  const troubles = TROUBLES.filter((trouble) => cases.some((one) => one.trouble === trouble))
  const chosen: MatrixCase[] = []
  while (chosen.length < Math.min(count, cases.length)) {
    const trouble = troubles[(chosen.length + seed) % troubles.length]
    const left = cases.filter((one) => !chosen.includes(one))
    const ofIt = left.filter((one) => one.trouble === trouble)
    const among = ofIt.length === 0 ? left : ofIt
    const pick = among[Math.floor(random() * among.length)]
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

/** Whether a line of the execute job is where the runner dies. */
export function isCrashPoint(crash: CrashPoint, line: string): boolean {
  const named = stepInLine(line)
  return named !== null && named.phase === crash.phase && named.at === crash.at
}

/**
 * The step that a line of the execute job names; null where it names none. Lines: `PHASE  step: title`, `…:
 * waiting for …`, `…: done (…)`.
 */
export function stepInLine(line: string): (CrashPoint & { readonly step: string }) | null {
  const [, name = '', step = '', said = ''] = /^([A-Z_]+) +(\S+): (.*)$/.exec(line) ?? []
  const phase = PHASES.find((one) => one === name)
  if (phase === undefined) return null
  if (/^(done|was-done) \(/.test(said)) return { phase, step, at: 'done' }
  return { phase, step, at: /^(waiting for|another try)/.test(said) ? 'waits' : 'begins' }
}
