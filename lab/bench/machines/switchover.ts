import { setTimeout as sleep } from 'node:timers/promises'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import { readableDuration } from '../../../src/values/duration.ts'
import { median } from '../../../src/values/percentile.ts'
import { startDatabaseLedger } from '../../ledger/database-ledger.ts'
import { longestGap } from '../../ledger/judge-ledger.ts'
import { DATABASE_LOGIN } from '../../machines/secrets.ts'
import type { SiteName } from '../../topology.ts'
import { endsOf, untilGreen } from '../../until-green.ts'
import type { Ends } from '../by-hand.ts'
import { promise, spread } from '../figures.ts'
import type { MachinesBench } from './open-bench.ts'
import { clusterAt, leaderOf } from './patroni-clusters.ts'
import { withoutGuards } from './without-guards.ts'
import { patch, patchedSwitchover, patronictlSwitchover, slotOf } from './yardsticks.ts'

const OURS = 'standby failover'
const SCRIPT = 'smallest script'
const PATRONICTL = 'patronictl'

/** What one move may take of the script's time, by the longest gap of a client that writes (p50). */
const MOST = 0.6
/** The gap ends with the first write after the move. Milliseconds. */
const FIRST_WRITES = 1_500

/** Milliseconds. */
interface Sample {
  readonly gapMs: number
  readonly tookMs: number
}

/**
 * Three ways in turn, round after round, each there and back, under a client that writes into the database every 20 ms.
 * The yardsticks move the database alone, so they end where they began, and the witness need not know of them.
 */
export async function benchMachinesSwitchover(bench: MachinesBench, rounds: number): Promise<string[]> {
  const { clusters, stack } = bench
  const ways: Readonly<Record<string, (ends: Ends) => Promise<number>>> = {
    [OURS]: async ({ to }) => usersWait(await bench.move({ to })),
    [SCRIPT]: (ends) => patchedSwitchover(clusters, ends),
    [PATRONICTL]: (ends) => patronictlSwitchover(clusters, ends, bench.patronictl),
  }
  const samples = new Map<string, Sample[]>(Object.keys(ways).map((name) => [name, []]))
  const ledger = await startDatabaseLedger(
    { sites: ['dc-a', 'dc-b'], through: 'dc-c-app', intervalMs: 20 },
    DATABASE_LOGIN,
  )
  for (let round = 0; round < rounds; round++)
    for (const [name, way] of Object.entries(ways)) {
      const first = endsOf(await untilGreen(stack))
      const back = { from: first.to, to: first.from }
      const timed = async (ends: Ends): Promise<void> => {
        const from = Date.now()
        const tookMs = await way(ends)
        await sleep(FIRST_WRITES)
        const gapMs = longestGap(ledger.entries(), { from, to: Date.now() })?.durationMs ?? Number.NaN
        samples.get(name)?.push({ gapMs, tookMs })
        process.stderr.write(
          `${name} to ${ends.to}: gap ${readableDuration(gapMs)}, took ${readableDuration(tookMs)}\n`,
        )
      }
      if (name === OURS) {
        await timed(first)
        await untilGreen(stack)
        await timed(back)
      } else
        await withoutGuards(stack, async () => {
          await timed(first)
          await untilFollowed(bench, back)
          await timed(back)
          await thirdSiteFollows(bench, back.to)
        })
    }
  await untilGreen(stack)
  const { missing, acknowledged } = await ledger.stop()
  return report(samples, { missing: missing.length, acknowledged })
}

/** From the begin of the first step that shuts users out to the end of the last one that lets them in; milliseconds. */
function usersWait({ phases }: MoveReport): number {
  const between = phases.filter(({ phase }) => USERS_WAIT.includes(phase))
  const [first, last] = [between.at(0)?.begunAt, between.at(-1)?.endedAt]
  return Date.parse(last ?? '') - Date.parse(first ?? '')
}
const USERS_WAIT = ['DRAIN', 'FENCE', 'FINAL_SYNC', 'PROMOTE', 'RESTORE_AUX', 'START', 'SMOKE', 'TRAFFIC']

/** Before the way back: the site that was left streams from the new one. A script by hand has no `status` for that. */
async function untilFollowed(bench: MachinesBench, { from, to }: Ends): Promise<void> {
  const until = Date.now() + 120_000
  for (;;) {
    const [writer, follower] = await Promise.all([statusOf(bench, from), statusOf(bench, to)])
    if (follower?.replication_state === 'streaming' && follower.timeline === writer?.timeline) return
    if (Date.now() > until) throw new Error(`${to} does not stream from ${from}: ${JSON.stringify(follower)}`)
    await sleep(500)
  }
}

async function statusOf({ clusters }: MachinesBench, site: SiteName) {
  try {
    const { restApi } = await leaderOf(clusterAt(clusters, site))
    const answer = await fetch(`${restApi}/patroni`, { signal: AbortSignal.timeout(5_000) })
    return (await answer.json()) as { readonly timeline?: number; readonly replication_state?: string }
  } catch {
    return null
  }
}

/** Not timed: a third site that followed the other one while a yardstick went there and back. */
async function thirdSiteFollows({ clusters }: MachinesBench, active: SiteName): Promise<void> {
  const third = (Object.keys(clusters.sites) as SiteName[]).filter((site) => site !== 'dc-a' && site !== 'dc-b')
  for (const site of third) {
    const { restApi } = await leaderOf(clusterAt(clusters, site))
    const upstream = clusterAt(clusters, active).asUpstream
    await patch(clusters, restApi, { standby_cluster: { ...upstream, primary_slot_name: slotOf(site) } })
  }
}

function report(
  samples: ReadonlyMap<string, readonly Sample[]>,
  { missing, acknowledged }: { readonly missing: number; readonly acknowledged: number },
): string[] {
  const of = (name: string, figure: keyof Sample): number[] => (samples.get(name) ?? []).map((sample) => sample[figure])
  const ratio = (other: string): number => median(of(OURS, 'gapMs')) / median(of(other, 'gapMs'))
  return [
    'planned switchover of the stack on machines, the ways in turn, under a client that writes every 20 ms:',
    ...[...samples.keys()].flatMap((name) => [
      `  ${name}, ${of(name, 'gapMs').length} moves`,
      `    longest gap      ${spread(of(name, 'gapMs'))}`,
      `    took             ${spread(of(name, 'tookMs'))}`,
    ]),
    promise(
      ratio(SCRIPT) <= MOST,
      `switchover ratio ${ratio(SCRIPT).toFixed(2)}  (p50 of the longest gap, standby over the ${SCRIPT})`,
    ),
    `switchover ratio ${ratio(PATRONICTL).toFixed(2)}  (the same, standby over ${PATRONICTL})`,
    promise(missing === 0, `${missing} of ${acknowledged} acknowledged writes lost`),
  ]
}
