import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DeployReport, MoveReport, PlanReport, StatusReport } from '../../src/evidence/reports.ts'
import { LOCK_LIFETIME, readLock } from '../../src/witness/lock.ts'
import { isHeld } from '../../src/witness/lock-holder.ts'
import type { LabEnvironment } from '../environment.ts'
import { type Credentials, putSecret, readAllIds } from '../ledger/application-client.ts'
import type { LedgerEntry } from '../ledger/ledger-entry.ts'
import { startLedgerProcess } from '../ledger/ledger-process.ts'
import { handOutCredentials } from '../lose-site.ts'
import { mortalMove } from '../reviewed-move.ts'
import { runStandby } from '../run-standby.ts'
import { type LabStack, labStacks } from '../stacks.ts'
import type { SiteName } from '../topology.ts'
import { until } from '../until.ts'
import { endsOf, untilGreen } from '../until-green.ts'
import { witnessOf } from '../witness.ts'
import { archivedBy } from './archived.ts'
import { historyEnds, isCrashPoint, isFought, type LostAmid, lossIn, type MatrixCase } from './cases.ts'
import { lose, passing, type RunningTrouble } from './troubles.ts'
import { spansOf, twoWriters, writableSince } from './writers.ts'

export interface CaseAround {
  readonly lab: LabEnvironment
  readonly stack: LabStack
  readonly credentials: Credentials
  readonly say: (line: string) => void
  /** Called with the digest of each plan that was executed, also in part. */
  readonly onPlanned: (digest: string) => void
  /** Where the runner dies, in place of the case's own crash point; called with each line of its process. */
  readonly diesAt?: (line: string) => boolean
}

/** The facts of one case: values only, judged by `judge-case.ts`. */
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
  /** When the runner of the move died; null of one that lived. Milliseconds since 1970. */
  readonly diedAt: number | null
  /** When users were served by the new site; of a move that was taken back, by the old one again. */
  readonly movedAt: number
  /** When the trouble of the move was over, such as another controller. */
  readonly overAt: number
  /** null where no site was lost, and where its failover was taken back. */
  readonly rejoined: MoveReport | null
  /** How long both sites' databases took writes at the same time, by their own logs; milliseconds. */
  readonly twoWritersMs: number
  /**
   * What the lost site did when it was back, until it rejoined; null where none was lost, or its failover was taken
   * back.
   */
  readonly returned: ReturnedSite | null
  /** Keys that the lost site put into its archive after the failover, when it was back. */
  readonly archivedLater: readonly string[]
  readonly entries: readonly LedgerEntry[]
  /** What is served in the end. */
  readonly ids: readonly string[]
  readonly before: StatusReport
  readonly after: StatusReport
  /** What a deploy would change in the end; units and what differs. */
  readonly undeclared: readonly string[]
}

export interface ReturnedSite {
  /** For how long its database took writes, by its own log; milliseconds. */
  readonly writableMs: number
  readonly stillWritable: boolean
  /** Whether its application accepted a write at the site's own address, when its guard said that it was shut. */
  readonly answersBehindItsGuard: boolean
}

/** How much a failover of the matrix accepts to lose: far above what it should. */
const ACCEPTED = '15m'

/** One case from a green lab to a green lab. */
export async function runCase(one: MatrixCase, around: CaseAround): Promise<CaseFacts> {
  const { stack, lab, credentials, say } = around
  const before = await untilGreen(stack, lab.programs.helm)
  const { from, to } = endsOf(before)
  const begunAt = Date.now()
  const file = join(await mkdtemp(join(tmpdir(), 'standby-case-')), 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  await pause(2_000)
  const loss = lossIn(one)
  const loseFrom = async (): Promise<RunningTrouble | null> => (loss === null ? null : lose(stack, from, loss, say))
  const lost = await (one.amid === null ? loseFrom() : amidSwitchover(one.amid, { from, to }, loseFrom, around))
  if (one.amid !== null) await untilLockEnds(stack, say)
  const mode = one.mode === 'switchover' ? 'switchover' : 'failover'
  let archived: ReadonlySet<string> = new Set()
  let healedAt = lost?.at ?? Date.now()
  let healed = false
  const heal = async (): Promise<void> => {
    if (healed) return
    healed = true
    if (loss !== null) archived = await archivedBy(stack, from)
    healedAt = (await lost?.end()) ?? Date.now()
  }
  const ends = { to, slow: loss === null ? from : to, heal }
  // The lab is healed whether the move succeeds or fails.
  const moved = await troubled({ ...one, mode }, one.mode === mode, ends, around).finally(heal)
  const troubleAt = lost?.at ?? moved.troubleAt
  if (one.trouble === 'controller-late') await repairedByDeploy(around)
  // Before the rejoin: the old database goes, and its log with it.
  const asleep = loss === 'freeze' ? { site: from, from: troubleAt, to: healedAt } : null
  const killedAt = loss === 'kill' || loss === 'unavailable' ? troubleAt : null
  const spans = await spansOf({ from, to }, { begunAt, killedAt }, lab, labStacks[stack.name].namespace)
  const judgedAt = Date.now()
  const twoWritersMs = twoWriters(spans, judgedAt, asleep)
  const archivedLater = loss === null ? [] : [...(await archivedBy(stack, from))].filter((key) => !archived.has(key))
  // Not every step waits in every run: a run whose runner did not die has nothing to take back.
  const ended = { ...one, takenBack: one.takenBack && (moved.deaths > 0 || isFought(one)) }
  const own = writableSince(spans, from, killedAt ?? healedAt, judgedAt)
  const returned = historyEnds(ended)
    ? {
        writableMs: own.ms,
        stillWritable: own.still,
        answersBehindItsGuard: await acceptsBehindItsGuard({ from, to }, around),
      }
    : null
  const back = { to: from, slow: from, heal }
  const rejoined = historyEnds(ended)
    ? await troubled({ ...one, mode: 'rejoin' }, one.mode === 'rejoin', back, around)
    : null
  const after = await untilGreen(stack, lab.programs.helm)
  const undeclared = await whatDeployWouldChange(around)
  await ledger.stop()
  const entries = await ledger.entries()
  const ids = await readAllIds(stack.addresses[0] ?? '', credentials)
  const deaths = moved.deaths + (rejoined?.deaths ?? 0) + (one.amid?.runner === 'dies' ? 1 : 0)
  return {
    ...moved,
    one: ended,
    from,
    to,
    troubleAt,
    healedAt,
    deaths,
    rejoined: rejoined?.executed ?? null,
    twoWritersMs,
    returned,
    archivedLater,
    entries,
    ids,
    before,
    after,
    undeclared,
  }
}

/** Repairs what another controller wrote after the point of no return, as the finding about it advises. */
async function repairedByDeploy({ stack, lab, say }: CaseAround): Promise<void> {
  const options = { helm: lab.programs.helm, quiet: true }
  const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], options)
  const found = result.findings.find(({ code }) => code === 'replicas-not-of-role')
  say(`status is ${result.verdict}: ${result.findings.map(({ code, what }) => `${code}: ${what}`).join('; ')}`)
  if (found === undefined) return
  const only = /standby deploy --only (\S+)/.exec(found.next ?? '')?.[1]
  if (only === undefined) throw new Error(`replicas-not-of-role says nothing to do: ${found.next}`)
  const deployed = await runStandby<DeployReport>(stack, 'deployer', ['deploy', '--only', only], options)
  say(`the deploy of ${only} is ${deployed.result.verdict} after ${(deployed.durationMs / 1_000).toFixed(1)} s`)
}

/** Each site as its role has it, object by object: what an undisturbed move leaves, and nothing else. */
async function whatDeployWouldChange({ stack, lab }: CaseAround): Promise<string[]> {
  const { result } = await runStandby<DeployReport>(stack, 'deployer', ['deploy', '--dry-run'], {
    helm: lab.programs.helm,
    quiet: true,
  })
  if (result.failure !== null) return [`${result.failure.code}: ${result.failure.what}`]
  return result.units.flatMap(({ id, changes }) =>
    changes.map(({ kind, object, path }) => `${id}: ${kind} ${object}${path === undefined ? '' : ` ${path}`}`),
  )
}

/**
 * A write that the returned site accepted at its own address would be lost with its rejoin. The other site must accept
 * one at its own address: otherwise the trial shows nothing.
 */
async function acceptsBehindItsGuard(
  { from, to }: { readonly from: SiteName; readonly to: SiteName },
  around: CaseAround,
): Promise<boolean> {
  if (!(await acceptsWrite(to, around)))
    throw new Error(`${to} accepts no write at its own address: that ${from} accepts none shows nothing`)
  return acceptsWrite(from, around)
}

/** Past every load balancer, at the port of the site's own nodes. */
async function acceptsWrite(site: SiteName, { lab, stack, credentials }: CaseAround): Promise<boolean> {
  const host = lab.sites.find(({ name }) => name === site)?.address ?? ''
  const address = `http://${host}:${labStacks[stack.name].applicationPort}`
  return putSecret(address, credentials, 'BEHIND_THE_GUARD', 'nobody may write this').then(
    () => true,
    () => false,
  )
}

/** A switchover whose site is lost on the way, and that is never ended. */
async function amidSwitchover(
  amid: LostAmid,
  { from, to }: { readonly from: SiteName; readonly to: SiteName },
  lose: () => Promise<RunningTrouble | null>,
  { stack, lab, say, onPlanned }: CaseAround,
): Promise<RunningTrouble | null> {
  if (amid.runner === 'dies') {
    const { planned, executed } = await mortalMove(
      stack,
      { to },
      { ...github(lab), dieAt: (line) => isCrashPoint(amid, line) },
    )
    onPlanned(planned.digest)
    if (executed !== null) throw new Error(`the switchover ended ${executed.verdict}, and its runner should have died`)
    say('the runner of the switchover died')
    return lose()
  }
  // So that the loss of the site need not wait for them.
  await handOutCredentials(stack)
  let lost: ReturnType<typeof lose> | null = null
  const onLine = (line: string): void => {
    if (lost !== null || !isCrashPoint(amid, line)) return
    lost = lose()
    // Handled below, when the switchover has ended.
    lost.catch(() => undefined)
  }
  const { planned, executed } = await mortalMove(stack, { to }, { ...github(lab), onLine })
  onPlanned(planned.digest)
  say(
    `the switchover ended ${executed?.verdict ?? 'with its runner'}: ${executed?.failure?.code ?? ''} ${executed?.failure?.what ?? ''}`,
  )
  if (lost === null || executed === null || executed.verdict === 'moved') {
    await lost
    throw new Error(`${from} was to be lost amid the switchover, which ended ${executed?.verdict ?? 'with its runner'}`)
  }
  return lost
}

/** A dead runner's lock is renewed no more. Until it expires a failover is refused, for that runner may live. */
async function untilLockEnds(stack: LabStack, say: CaseAround['say']): Promise<void> {
  say('waits for the end of its lock')
  const witness = await witnessOf(stack)
  await until('the lock of the dead runner to end', { deadline: 2 * LOCK_LIFETIME, every: 1_000 }, async () => {
    const lock = await readLock(witness)
    return lock === null || !isHeld(lock.record, new Date())
  })
}

interface Moved {
  readonly planned: CaseFacts['planned']
  readonly executed: MoveReport
  readonly deaths: number
  readonly diedAt: number | null
  readonly movedAt: number
  readonly troubleAt: number
  /** When the trouble of the move was over. */
  readonly overAt: number
}

interface Ends {
  readonly to: SiteName
  /** The site whose link is narrow, where one is. */
  readonly slow: SiteName
  /** Ends the loss of the other one. */
  readonly heal: () => Promise<void>
}

/** One move of a case. Only the move that the case is about meets the trouble, and only its runner dies. */
async function troubled(one: MatrixCase, isTroubled: boolean, ends: Ends, around: CaseAround): Promise<Moved> {
  const trouble = await passing(isTroubled ? one.trouble : 'none', ends.slow, around)
  let overAt = trouble.at
  const moved = await moveThrough(isTroubled ? one : { ...one, crash: null }, ends, around, trouble).finally(
    async () => {
      overAt = await trouble.end()
    },
  )
  return { ...moved, troubleAt: trouble.at, overAt }
}

async function moveThrough(
  one: MatrixCase,
  { to, heal }: Ends,
  { stack, lab, say, onPlanned, diesAt }: CaseAround,
  trouble: RunningTrouble,
): Promise<Omit<Moved, 'troubleAt' | 'overAt'>> {
  let run: string | undefined
  const { crash } = one
  const dies = diesAt ?? (crash === null ? undefined : (line: string): boolean => isCrashPoint(crash, line))
  let diedAt: number | null = null
  const { planned, executed } = await mortalMove(
    stack,
    { to, mode: one.mode, ...(one.mode === 'failover' ? { 'accept-data-loss': ACCEPTED } : {}) },
    {
      ...github(lab),
      onLine(line) {
        run = /^run (\S+) begins/.exec(line)?.[1] ?? run
        trouble.hear(line)
      },
      ...(dies === undefined ? {} : { dieAt: dies }),
      onDeath: (at) => {
        diedAt = at
      },
    },
  )
  onPlanned(planned.digest)
  if (executed !== null) return { planned, executed, deaths: 0, diedAt, movedAt: Date.now() }
  if (one.takenBack) await heal()
  const operation = one.takenBack ? 'abort' : 'resume'
  say(`the runner died; the command line goes on: ${operation} of run ${run}`)
  const reviewed = operation === 'resume' ? ['--digest', planned.digest] : []
  const ended = await runStandby<MoveReport>(stack, 'mover', ['failover', operation, '--run', run ?? '', ...reviewed], {
    helm: lab.programs.helm,
    // A terminal asks GitHub once more whether the run was approved.
    env: { GITHUB_TOKEN: 'token-of-the-operator', GITHUB_API_URL: lab.githubUrl ?? '' },
  })
  return { planned, executed: ended.result, deaths: 1, diedAt, movedAt: Date.now() }
}

const github = (environment: LabEnvironment): { githubUrl: string; helm: string } => ({
  githubUrl: environment.githubUrl ?? '',
  helm: environment.programs.helm,
})

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
