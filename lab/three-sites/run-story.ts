import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Mode } from '../../src/domain/plan.ts'
import type { DeployReport, MoveReport, StatusReport } from '../../src/evidence/reports.ts'
import type { DeployedStack } from '../deployed-stack.ts'
import { readAllIds } from '../ledger/application-client.ts'
import type { LedgerEntry } from '../ledger/ledger-entry.ts'
import { startLedgerProcess } from '../ledger/ledger-process.ts'
import { handOutCredentials, loseSite, returnSite } from '../lose-site.ts'
import { PlanRefused, type ReviewedMove, reviewedMove } from '../reviewed-move.ts'
import { runLab } from '../run-lab.ts'
import { runStandby } from '../run-standby.ts'
import type { SiteName } from '../topology.ts'
import { until } from '../until.ts'
import { untilGreen } from '../until-green.ts'
import { whatDeployWouldChange } from '../what-deploy-would-change.ts'

/**
 * Whether the site that is neither end of a move answers, is cut off, is seen by its peers and not by the runner, or by
 * the runner and not by the new active site.
 */
export const THIRD_SITE = ['answers', 'silent', 'unseen', 'parted'] as const
export type ThirdSite = (typeof THIRD_SITE)[number]

/**
 * What three sites went through, from a green stack whose active site is dc-a: values only, judged by `judge-story.ts`.
 */
export interface StoryFacts {
  readonly thirdSite: ThirdSite
  readonly before: StatusReport
  /** dc-a to dc-b; dc-c follows. */
  readonly switchover: StoryMove
  /** dc-b, which was killed, to dc-c; dc-a follows, or is named. */
  readonly failover: StoryMove
  /** When dc-b was lost, in milliseconds since 1970. */
  readonly lostAt: number
  /** Of dc-b, and of dc-a where it had more than dc-c. */
  readonly rejoins: readonly StoryMove[]
  readonly entries: readonly LedgerEntry[]
  /** What is served in the end. */
  readonly ids: readonly string[]
  readonly after: StatusReport
  /** What a deploy would change after each move, and in the end. */
  readonly undeclared: readonly string[]
}

export interface StoryMove {
  readonly to: SiteName
  readonly mode: Mode
  readonly planned: ReviewedMove['planned']
  readonly executed: MoveReport
  readonly window: ReviewedMove['window']
}

/** What becomes of the way to dc-c during the switchover to dc-b. */
const OUTAGE: Readonly<Record<ThirdSite, readonly string[] | null>> = {
  answers: null,
  silent: ['--how', 'cut'],
  unseen: ['--how', 'slow', '--loss', '100', '--only', 'runner'],
  parted: ['--how', 'slow', '--loss', '100', '--only', 'dc-b'],
}

/** How much the failover accepts to lose: far above what it should. */
const ACCEPTED = '15m'

/** Writes of so long are in the active site and its one follower alone, before both are lost; milliseconds. */
const AHEAD = 5_000

/**
 * A switchover, a failover from its end, and the way back of each site that was lost or not reached; a ledger writes
 * all the while. Where the third site has a fault, it has it during the switchover, and a deploy repairs dc-c.
 * Where it is silent, it also misses the last writes of dc-b; then dc-b is killed, dc-a, which has them, is cut off,
 * and the failover goes to dc-c: two of three sites are lost, and both have to rejoin.
 */
export async function runStory(
  { lab, stack, credentials }: DeployedStack,
  thirdSite: ThirdSite,
  say: (line: string) => void,
): Promise<StoryFacts> {
  const { githubUrl = '', programs } = lab
  const move = async (mode: Mode, to: SiteName): Promise<StoryMove> => {
    say(`${mode} to ${to}`)
    const inputs = { to, mode, ...(mode === 'failover' ? { 'accept-data-loss': ACCEPTED } : {}) }
    const moved = {
      to,
      mode,
      ...(await plannedAgain(() => reviewedMove(stack, inputs, { githubUrl, helm: programs.helm }), say)),
    }
    const { verdict, failure } = moved.executed
    // What comes next rests on it.
    if (verdict !== 'moved')
      throw new Error(
        `the ${mode} of ${to} ended ${verdict ?? 'refused'}: ${failure?.code ?? ''} ${failure?.what ?? ''}`,
      )
    return moved
  }
  const undeclared = async (when: string): Promise<string[]> =>
    (await whatDeployWouldChange(stack, programs.helm)).map((what) => `${when}: ${what}`)
  const before = await untilGreen(stack, programs.helm)
  const file = join(await mkdtemp(join(tmpdir(), 'standby-story-')), 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  const silent = thirdSite === 'silent'
  const outage = async (site: SiteName, how: readonly string[]): Promise<void> => {
    say(`outage of ${site}: ${how.join(' ')}`)
    await handOutCredentials(stack)
    await runLab('outage', site, ...how)
  }
  const cut = (site: SiteName): Promise<void> => outage(site, ['--how', 'cut'])
  const heal = async (site: SiteName): Promise<void> => {
    say(`${site} is back`)
    // Until its guard has read the witness again, nothing moves there (guard-blind).
    await returnSite(stack, site)
  }
  const trouble = OUTAGE[thirdSite]
  if (trouble !== null) await outage('dc-c', trouble)
  const switchover = await move('switchover', 'dc-b')
  if (trouble !== null) {
    await heal('dc-c')
    say('a deploy repairs dc-c')
    await runStandby<DeployReport>(stack, 'deployer', ['deploy'], { helm: programs.helm })
    await untilGreen(stack, programs.helm)
  }
  const first = await undeclared('after the switchover')
  if (silent) {
    await cut('dc-c')
    await sleep(AHEAD)
    await cut('dc-a')
  }
  say('dc-b is killed')
  const lostAt = Date.now()
  await loseSite(stack, 'dc-b', 'kill')
  if (silent) await heal('dc-c')
  const failover = await move('failover', 'dc-c').finally(() => returnSite(stack, 'dc-b'))
  if (silent) await heal('dc-a')
  const rejoins = [await move('rejoin', 'dc-b')]
  if (givenUp(failover.executed).length > 0) rejoins.push(await move('rejoin', 'dc-a'))
  const after = await untilGreen(stack, programs.helm)
  const last = await undeclared('in the end')
  await until('a write in the end', { deadline: 30_000, every: 500 }, async () =>
    (await ledger.entries()).some((entry) => entry.startedAt > Date.parse(after.at)),
  )
  await ledger.stop()
  const [entries, ids] = [await ledger.entries(), await readAllIds(stack.addresses[0] ?? '', credentials)]
  return {
    thirdSite,
    before,
    switchover,
    failover,
    lostAt,
    rejoins,
    entries,
    ids,
    after,
    undeclared: [...first, ...last],
  }
}

/**
 * A machine that carries three sites and the work of others answers, or notices a loss, too late at times: then a
 * person plans again. A replica was seen to stream from a lost site for more than 20 s.
 */
const PLANNED_WITHIN = 90_000
const BEFORE_ANOTHER = 5_000

async function plannedAgain(move: () => Promise<ReviewedMove>, say: (line: string) => void): Promise<ReviewedMove> {
  for (const end = Date.now() + PLANNED_WITHIN; ; await sleep(BEFORE_ANOTHER))
    try {
      return await move()
    } catch (error) {
      if (!(error instanceof PlanRefused) || !NOT_YET.has(error.code) || Date.now() > end) throw error
      say(`no plan was made (${error.code}): it is asked for again`)
    }
}
/**
 * A plan was refused, and nothing was changed: an answer came too late, or a lost site is still seen alive by a replica
 * of it.
 */
const NOT_YET: ReadonlySet<string> = new Set([
  'load-balancer-silent',
  'database-silent',
  'witness-silent',
  'fence-too-low',
])

/** The steps that a move did without. */
export const givenUp = ({ steps }: MoveReport): string[] =>
  steps.flatMap(({ id, outcome }) => (outcome === 'given-up' ? [id] : []))
