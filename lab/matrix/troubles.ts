import type { StatusReport } from '../../src/evidence/reports.ts'
import type { LabEnvironment } from '../environment.ts'
import { execute } from '../execute.ts'
import { type Loss, loseSite, returnSite } from '../lose-site.ts'
import { runLab } from '../run-lab.ts'
import { runStandby } from '../run-standby.ts'
import type { LabStack } from '../stacks.ts'
import type { HostName, SiteName } from '../topology.ts'
import { FIGHTS, FIGHTS_LATE, type Fight, stepInLine, type Trouble } from './cases.ts'
import { type OtherController, otherController } from './other-controller.ts'

/** A fault in the lab, from its beginning to its end. */
export interface RunningTrouble {
  /** When it began; milliseconds since 1970. */
  readonly at: number
  /** Called with each line of the move, for troubles that begin in the middle of it. */
  hear(line: string): void
  /** Ends it, and says when it was over; milliseconds since 1970. */
  end(): Promise<number>
}

type Say = (line: string) => void
export interface TroubleAround {
  readonly lab: LabEnvironment
  readonly stack: LabStack
  readonly say: Say
}

/** The active site is gone until it is given back. */
export async function lose(stack: LabStack, site: SiteName, how: Loss, say: Say): Promise<RunningTrouble> {
  say(`${site}: ${how}`)
  const at = Date.now()
  await loseSite(stack, site, how)
  return { at, hear: () => undefined, end: () => returnSite(stack, site) }
}

/**
 * Starts the trouble of a move; `slow` is the site whose link is narrow. The loss of a site is no passing trouble.
 */
export async function passing(
  trouble: Trouble,
  slow: SiteName,
  { lab, stack, say }: TroubleAround,
): Promise<RunningTrouble> {
  if (trouble === 'operator-away') return operatorsAway(lab, say)
  if (isFight(trouble))
    return fought(await otherController(lab, stack, { databases: !RELEASE_ALONE.includes(trouble) }), trouble, say)
  if (trouble === 's3-gone') return goneForAWhile('s3', say)
  if (trouble === 'balancer-gone') return goneForAWhile('lb-2', say)
  const at = Date.now()
  if (trouble === 'slow') return farAway(FAR_HOSTS, stack, lab, say)
  if (trouble === 'slow-witness') return farAway([...FAR_HOSTS, 's3'], stack, lab, say)
  if (trouble !== 'narrow') return { at, hear: () => undefined, end: async () => Date.now() }
  say(`the link of ${slow} is narrow`)
  await runLab('outage', slow, '--how', 'narrow')
  return { at, hear: () => undefined, end: () => runLab('heal', slow).then(() => Date.now()) }
}

/**
 * Both sites and a load balancer, as a runner sees them that is far away; the sites are as near to each other as
 * before, and to their users.
 */
const FAR_HOSTS = ['dc-a', 'dc-b', 'lb-2'] as const

/** The way of the runner is long before the move is planned, and a status says no more than that it took its time. */
async function farAway(
  hosts: readonly HostName[],
  stack: LabStack,
  lab: LabEnvironment,
  say: Say,
): Promise<RunningTrouble> {
  const at = Date.now()
  const end = async (): Promise<number> => {
    for (const host of hosts) await runLab('heal', host)
    return Date.now()
  }
  try {
    for (const host of hosts) await runLab('outage', host, '--how', 'slow', '--only', 'runner')
    const { result, durationMs } = await runStandby<StatusReport>(stack, 'observer', ['status'], {
      helm: lab.programs.helm,
      quiet: true,
    })
    say(
      `${hosts.join(', ')} are far away: a status took ${(durationMs / 1_000).toFixed(1)} s, and is ${result.verdict}`,
    )
    if (result.verdict !== 'green')
      throw new Error(
        `a slow way makes a status ${result.verdict}: ${result.findings.map(({ code, what }) => `${code}: ${what}`).join('; ')}`,
      )
    return { at, hear: () => undefined, end }
  } catch (error) {
    await end()
    throw error
  }
}

/** Gone in the middle of the move: from its first phase on that changes a site. */
function goneForAWhile(host: HostName, say: Say): RunningTrouble {
  const at = Date.now()
  let over: Promise<void> | null = null
  return {
    at,
    hear(line) {
      if (over !== null || !/^(DRAIN|FENCE) /.test(line)) return
      say(`${host} is gone for ${GONE_FOR / 1000} s`)
      over = runLab('outage', host, '--how', 'cut')
        .then(() => new Promise<void>((done) => setTimeout(done, GONE_FOR)))
        .then(() => runLab('heal', host))
    },
    end: async () => {
      await over
      return Date.now()
    },
  }
}
const GONE_FOR = 15_000

/**
 * The old side's operator is away when the database is demoted, the new side's when it is promoted: each for half a
 * minute, with its webhook.
 */
function operatorsAway(lab: LabEnvironment, say: Say): RunningTrouble {
  const at = Date.now()
  const away = new Map<string, Promise<void>>()
  const scale = (site: LabEnvironment['sites'][number], replicas: number): Promise<unknown> => {
    const target = ['-n', 'cnpg-system', 'scale', 'deployment/cnpg-controller-manager', `--replicas=${replicas}`]
    return execute(lab.programs.kubectl, [`--kubeconfig=${site.kubeconfig}`, ...target], { deadline: 30_000 })
  }
  const leave = async (site: LabEnvironment['sites'][number]): Promise<void> => {
    say(`the operator of ${site.name} is away for ${AWAY_FOR / 1000} s`)
    await scale(site, 0)
    await new Promise<void>((done) => setTimeout(done, AWAY_FOR))
    await scale(site, 1)
  }
  return {
    at,
    hear(line) {
      // A phase earlier than the one that needs it: by then its process has ended.
      const named = /^(?:DRAIN|FINAL_SYNC) +\S+@(dc-\w+):/.exec(line)?.[1]
      const site = lab.sites.find(({ name }) => name === named)
      if (site !== undefined && !away.has(site.name)) away.set(site.name, leave(site))
    },
    async end() {
      await Promise.all(away.values())
      return Date.now()
    },
  }
}
const AWAY_FOR = 30_000

const isFight = (trouble: Trouble): trouble is Fight =>
  ([...FIGHTS, ...FIGHTS_LATE] as readonly Trouble[]).includes(trouble)
const RELEASE_ALONE: readonly Fight[] = ['controller-helm', 'controller-late']

/** Whether a line of the move is the moment at which a controller begins that did not begin before the move. */
function beginsAt(trouble: Fight, line: string): boolean {
  const { phase, step = '', at } = stepInLine(line) ?? {}
  if (trouble === 'controller-midway') return phase === 'FENCE'
  if (trouble === 'controller-demoting') return step.includes('.demote@') && at !== 'begins'
  return trouble === 'controller-late' && step.includes('.promote@') && at === 'done'
}
/** How long a late controller works: by then a person has noticed it, and pauses it. */
const SEEN_AFTER = 40_000

/** A controller at work from before the plan on, or from some moment of the move on. */
function fought(controller: OtherController, trouble: Fight, say: Say): RunningTrouble {
  let at = Date.now()
  let begun = false
  const begin = (): void => {
    if (begun) return
    begun = true
    say('another controller is at work')
    at = Date.now()
    controller.start()
    if (trouble === 'controller-late') paused = pauseAfter(SEEN_AFTER)
  }
  let pausedAt: Promise<number> | null = null
  const pause = (): Promise<number> => {
    pausedAt ??= controller.stop().then(() => {
      say('the other controller is paused')
      return Date.now()
    })
    return pausedAt
  }
  const pauseAfter = (ms: number): Promise<number> => new Promise<void>((done) => setTimeout(done, ms)).then(pause)
  let paused: Promise<number> | null = null
  if (trouble === 'controller' || trouble === 'controller-helm') begin()
  return {
    get at() {
      return at
    },
    hear(line) {
      if (beginsAt(trouble, line)) begin()
    },
    end: () => paused ?? pause(),
  }
}
