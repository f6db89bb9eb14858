import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MoveReport, PlanReport, StatusReport } from '../../src/operations/reports.ts'
import type { LabEnvironment } from '../environment.ts'
import { type Credentials, readAllIds } from '../ledger/application-client.ts'
import type { LedgerEntry } from '../ledger/ledger-entry.ts'
import { startLedgerProcess } from '../ledger/ledger-process.ts'
import { loseSite, returnSite } from '../lose-site.ts'
import { mortalMove, reviewedMove } from '../reviewed-move.ts'
import { runLab } from '../run-lab.ts'
import { runStandby } from '../run-standby.ts'
import { type LabStack, labStacks } from '../stacks.ts'
import type { HostName, SiteName } from '../topology.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { isCrashPoint, type MatrixCase } from './cases.ts'
import { databaseLog, twoWriters, type WritableSpan, writableSpans } from './writers.ts'

export interface CaseAround {
  readonly lab: LabEnvironment
  readonly stack: LabStack
  readonly credentials: Credentials
  readonly say: (line: string) => void
}

/** What one case left behind: values only, judged by `judge-case.ts`. */
export interface CaseFacts {
  readonly one: MatrixCase
  readonly from: SiteName
  readonly to: SiteName
  /** When the trouble began, in milliseconds since 1970. */
  readonly troubleAt: number
  /** When it was over. */
  readonly healedAt: number
  readonly planned: Pick<PlanReport, 'plan' | 'digest'>
  /** Of the process that ended the move. */
  readonly executed: MoveReport
  /** How many processes died before it. */
  readonly deaths: number
  /** When users were served by the new site. */
  readonly movedAt: number
  readonly rejoined: MoveReport | null
  /** How long both sites' databases took writes at the same time, by their own logs; milliseconds. */
  readonly twoWritersMs: number
  readonly entries: readonly LedgerEntry[]
  /** What the new site serves in the end. */
  readonly ids: readonly string[]
  readonly before: StatusReport
  readonly after: StatusReport
}

/** How much a failover of the matrix accepts to lose: far above what it should. */
export const ACCEPTED = '15m'

/** One case from a green lab to a green lab. */
export async function runCase(one: MatrixCase, around: CaseAround): Promise<CaseFacts> {
  const { stack, lab, credentials } = around
  const before = await untilGreen(stack, lab.programs.helm)
  const { from, to } = endsOf(before)
  const begunAt = Date.now()
  const file = join(await mkdtemp(join(tmpdir(), 'standby-case-')), 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  await pause(2_000)
  const trouble = await begin(one, from, around)
  // Whatever becomes of the move, the lab is healed.
  let healedAt = trouble.at
  const moved = await moveThrough(one, to, around, trouble).finally(async () => {
    healedAt = await trouble.end()
  })
  let rejoined: MoveReport | null = null
  // Before the rejoin: the old database goes, and its log with it.
  const asleep = one.trouble === 'freeze' ? { site: from, from: trouble.at, to: healedAt } : null
  const killedAt = one.trouble === 'kill' ? trouble.at : null
  const twoWritersMs = twoWriters(await spansOf({ from, to }, { begunAt, killedAt }, around), Date.now(), asleep)
  if (one.mode === 'failover') rejoined = (await reviewedMove(stack, { mode: 'rejoin', to: from }, github(lab))).executed
  const after = await untilGreen(stack, lab.programs.helm)
  await ledger.stop()
  const entries = await ledger.entries()
  const ids = await readAllIds(stack.addresses[0] ?? '', credentials)
  return { one, from, to, troubleAt: trouble.at, healedAt, ...moved, rejoined, twoWritersMs, entries, ids, before, after }
}

async function spansOf(
  ends: { readonly from: SiteName; readonly to: SiteName },
  { begunAt, killedAt }: { readonly begunAt: number; readonly killedAt: number | null },
  { lab, stack }: CaseAround,
): Promise<WritableSpan[]> {
  const { namespace } = labStacks[stack.name]
  const of = (site: SiteName) => ({ namespace, cluster: `pg-${site}`, since: new Date(begunAt) })
  const [old, next] = await Promise.all([databaseLog(lab, ends.from, of(ends.from)), databaseLog(lab, ends.to, of(ends.to))])
  // Who is killed says nothing any more, and one that finds itself fenced when it comes back does not even start.
  const before = killedAt === null ? writableSpans(ends.from, old, begunAt) : [{ site: ends.from, from: begunAt, to: killedAt }]
  const after = killedAt === null ? [] : writableSpans(ends.from, old, null)
  return [...before, ...after, ...writableSpans(ends.to, next, null)]
}

interface Moved {
  readonly planned: CaseFacts['planned']
  readonly executed: MoveReport
  readonly deaths: number
  readonly movedAt: number
}

async function moveThrough(one: MatrixCase, to: SiteName, { stack, lab, say }: CaseAround, trouble: RunningTrouble): Promise<Moved> {
  let run: string | undefined
  const { crash } = one
  const { planned, executed } = await mortalMove(
    stack,
    { to, mode: one.mode, ...(one.mode === 'failover' ? { 'accept-data-loss': ACCEPTED } : {}) },
    {
      ...github(lab),
      onLine(line) {
        run = /^run (\S+) begins/.exec(line)?.[1] ?? run
        trouble.hear(line)
      },
      ...(crash === null ? {} : { dieAt: (line) => isCrashPoint(crash, line) }),
    },
  )
  if (executed !== null) return { planned, executed, deaths: 0, movedAt: Date.now() }
  say(`the runner died; the command line resumes run ${run}`)
  const resumed = await runStandby<MoveReport>(stack, 'mover', ['failover', 'resume', '--run', run ?? ''], { helm: lab.programs.helm })
  return { planned, executed: resumed.result, deaths: 1, movedAt: Date.now() }
}

interface RunningTrouble {
  readonly at: number
  /** Troubles that begin in the middle of a move hear how far it is. */
  hear(line: string): void
  /** Ends it, and says when it was over; milliseconds since 1970. */
  end(): Promise<number>
}

/** A lost site stays lost until the move is over; what troubles a planned move begins with DRAIN, and passes after a while. */
async function begin({ trouble }: MatrixCase, from: SiteName, { stack, say }: CaseAround): Promise<RunningTrouble> {
  const nothing = { hear: () => undefined, end: async () => Date.now() }
  if (trouble === 'cut' || trouble === 'freeze' || trouble === 'kill') {
    say(`${from}: ${trouble}`)
    const at = Date.now()
    await loseSite(stack, from, trouble)
    return { ...nothing, at, end: () => returnSite(from) }
  }
  if (trouble === 'none') return { ...nothing, at: Date.now() }
  if (trouble === 'slow-wan') {
    await runLab('outage', from, '--how', 'slow')
    return { ...nothing, at: Date.now(), end: () => runLab('heal', from).then(() => Date.now()) }
  }
  return passing(trouble === 's3-gone' ? 's3' : 'lb-2', say)
}

/** Gone for a while in the middle of the move. */
function passing(host: HostName, say: (line: string) => void): RunningTrouble {
  const at = Date.now()
  let over: Promise<void> | null = null
  return {
    at,
    hear(line) {
      if (over !== null || !line.startsWith('DRAIN')) return
      say(`${host} is gone for ${GONE_FOR / 1000} s`)
      over = runLab('outage', host, '--how', 'cut')
        .then(() => pause(GONE_FOR))
        .then(() => runLab('heal', host))
    },
    end: async () => {
      await over
      return Date.now()
    },
  }
}
const GONE_FOR = 15_000

const github = (environment: LabEnvironment): { githubUrl: string; helm: string } => ({
  githubUrl: environment.githubUrl ?? '',
  helm: environment.programs.helm,
})

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
