import { setTimeout as sleep } from 'node:timers/promises'
import type { MoveReport } from '../../../src/evidence/reports.ts'
import { clusterAt, leaderOf, type PatroniClusters, patroniClustersIn } from '../../bench/machines/patroni-clusters.ts'
import { startDatabaseLedger } from '../../ledger/database-ledger.ts'
import { longestGap } from '../../ledger/judge-ledger.ts'
import type { DeployedMachines } from '../../machines/deployed.ts'
import { onMachine } from '../../machines/machine.ts'
import { patientMove } from '../../machines/patient-move.ts'
import { type RedisVerdict, startRedisLedger } from '../../machines/redis-ledger.ts'
import { DATABASE_LOGIN, PATRONI_LOGIN, SECRETS } from '../../machines/secrets.ts'
import { serverLogOf } from '../../machines/server-log.ts'
import type { PreparedStack } from '../../prepared-stack.ts'
import { runLab } from '../../run-lab.ts'
import { addressOf, type MachineName, machinesOf, type SiteName, siteNames } from '../../topology.ts'
import { endsOf, untilGreen } from '../../until-green.ts'
import { isCrashPoint } from '../cases.ts'
import { twoWriters, writableSpans } from '../writers.ts'
import type { MachinesCase, Scene } from './cases.ts'
import { shiftedClock } from './shifted-clock.ts'

/** The facts of one case on machines, judged by `judge-machines-case.ts`. */
export interface MachinesFacts {
  readonly one: MachinesCase
  readonly executed: MoveReport
  /** Empty where no site was lost. */
  readonly rejoins: readonly MoveReport[]
  readonly acknowledged: number
  /** Acknowledged ids that the database lacks. */
  readonly missing: number
  readonly longestGapMs: number
  readonly twoWritersMs: number
  readonly redis: Pick<RedisVerdict, 'acknowledged' | 'lost' | 'longestGap'>
}

/** Load balancers, Sentinels and the standby leader notice a loss some seconds later. */
const NOTICED_AFTER = 12_000
const FIRST_WRITES = 3_000

/** One case from a green lab of machines to a green one. */
export async function runMachinesCase(
  one: MachinesCase,
  { lab, stack }: DeployedMachines,
  say: (line: string) => void,
): Promise<MachinesFacts> {
  const { runnerClock } = one
  const ofRunner = runnerClock === undefined ? stack : withClock(stack, runnerClock)
  const clusters = await patroniClustersIn(stack.path, PATRONI_LOGIN)
  const scene = await sceneOf(clusters, endsOf(await untilGreen(stack)))
  const { from, to } = scene
  const begunAt = Date.now()
  const ledger = await startDatabaseLedger({ sites: [from, to], through: `${to}-app`, intervalMs: 50 }, DATABASE_LOGIN)
  const cache = startRedisLedger(
    siteNames.map((site) => addressOf[`${site}-app`]),
    { password: SECRETS.REDIS_PASSWORD, intervalMs: 50 },
  )
  await sleep(FIRST_WRITES)
  let begun: Promise<void> | null = null
  const begin = (): Promise<void> => {
    say(`${one.name} begins`)
    begun ??= beginTroubles(one, scene)
    // Awaited after the move; without a handler until then, a failure would end the process.
    begun.catch(() => undefined)
    return begun
  }
  if (one.at === null) {
    await begin()
    await sleep(NOTICED_AFTER)
  }
  const github = { githubUrl: lab.githubUrl ?? '' }
  const inputs = { to, mode: one.mode, ...(one.mode === 'failover' ? { 'accept-data-loss': '15m' } : {}) } as const
  const onLine = (line: string): void => {
    if (begun === null && one.at !== null && isCrashPoint(one.at, line)) void begin()
  }
  const { executed } = await patientMove(ofRunner, inputs, { ...github, onLine }).finally(async () => {
    await begun
    await endTroubles(one, scene)
  })
  if (begun === null) throw new Error(`the move never came to where ${one.name} begins`)
  const judgedAt = Date.now()
  const twoWritersMs = twoWriters(await spansOf(scene, begunAt), judgedAt)
  const rejoins: MoveReport[] = []
  if (one.mode === 'failover' && executed.verdict === 'moved')
    for (const site of one.rejoins?.(scene) ?? [from])
      rejoins.push((await patientMove(stack, { to: site, mode: 'rejoin' }, github)).executed)
  await sleep(FIRST_WRITES)
  const [{ missing, acknowledged }, redis] = await Promise.all([ledger.stop(), cache.stop()])
  await untilGreen(stack)
  const longestGapMs = longestGap(ledger.entries())?.durationMs ?? Number.NaN
  return { one, executed, rejoins, acknowledged, missing: missing.length, longestGapMs, twoWritersMs, redis }
}

const withClock = (stack: PreparedStack, byMs: number): PreparedStack => ({
  ...stack,
  environmentOf: async (identity) => ({ ...(await stack.environmentOf(identity)), NODE_OPTIONS: shiftedClock(byMs) }),
})

async function sceneOf(
  clusters: PatroniClusters,
  { from, to }: { readonly from: SiteName; readonly to: SiteName },
): Promise<Scene> {
  const { name } = await leaderOf(clusterAt(clusters, from))
  const primary: MachineName = name.startsWith('db2') ? `${from}-db2` : `${from}-db1`
  const replica: MachineName = primary === `${from}-db1` ? `${from}-db2` : `${from}-db1`
  const third = siteNames.find((site) => site !== from && site !== to) ?? to
  return { from, to, third, primary, replica, storeLeader: await storeLeaderOf(from) }
}

/** The machine whose etcd leads the store of a site. */
async function storeLeaderOf(site: SiteName): Promise<MachineName> {
  for (const machine of machinesOf(site)) {
    const answer = await fetch(`http://${addressOf[machine]}:2379/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
    })
    const { header, leader } = (await answer.json()) as { header?: { member_id?: string }; leader?: string }
    if (leader !== undefined && leader === header?.member_id) return machine
  }
  throw new Error(`no etcd leads the store of ${site}`)
}

/** One after another: the lab carries out one command at a time. */
async function beginTroubles({ troubles }: MachinesCase, scene: Scene): Promise<void> {
  for (const trouble of troubles)
    if (trouble.is === 'command') await onAll(trouble.on(scene), trouble.begins)
    else for (const host of trouble.hosts(scene)) await runLab('outage', host, '--how', trouble.how)
}

async function endTroubles({ troubles }: MachinesCase, scene: Scene): Promise<void> {
  for (const trouble of troubles)
    if (trouble.is === 'command') await onAll(trouble.on(scene), trouble.ends)
    else for (const host of trouble.hosts(scene)) await runLab('heal', host)
}

const onAll = (machines: readonly MachineName[], command: string): Promise<unknown> =>
  Promise.all(machines.map((machine) => onMachine(machine, command)))

/** When the databases of both ends took writes, by PostgreSQL's own logs. */
async function spansOf({ from, to, primary }: Scene, begunAt: number) {
  const machines = [from, to].flatMap((site): MachineName[] => [`${site}-db1`, `${site}-db2`])
  const spans = await Promise.all(
    machines.map(async (machine) => {
      const log = await serverLogOf(machine, new Date(begunAt))
      return writableSpans(machine.startsWith(from) ? from : to, log, machine === primary ? begunAt : null)
    }),
  )
  return spans.flat()
}
