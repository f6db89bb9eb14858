import type { SiteName } from '../../domain/stack.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import type { StandbyError } from '../../errors/standby-error.ts'
import type { JsonObject } from '../../values/json.ts'
import { codes } from './codes.ts'
import { answeringIn, askAllRedis, askAllSentinels, askRedis, type GroupState, sentinelsIn } from './observe.ts'
import { type Group, minReplicasOf, priorityIn, type RedisSentinelSpec, redisOf } from './spec.ts'
import type { RedisServer, Sentinel } from './views.ts'
import { type Asking, hostAndPort, tell } from './wire.ts'

/** A running step of this driver. */
export type GroupRun<Parameters extends JsonObject = JsonObject> = StepRun<RedisSentinelSpec, Parameters, unknown>

/** The site on which the step acts. A step of this kind without a site is a defect of its plan. */
export function siteOf({ site, step }: GroupRun): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}

export const askingOf = ({ context, signal }: Pick<GroupRun, 'context' | 'signal'>): Asking => ({ context, signal })

/** Every Redis of a site. One lost answer is no silence: who does not answer is asked twice. */
export async function redisAtSite(run: GroupRun, site: string): Promise<GroupState['redis']> {
  const first = await askAllRedis(run.component, site, askingOf(run))
  return Object.values(first).every(({ is }) => is === 'answering')
    ? first
    : { ...first, ...onlyAnswering(await askAllRedis(run.component, site, askingOf(run))) }
}
const onlyAnswering = (redis: GroupState['redis']): GroupState['redis'] => Object.fromEntries(answeringIn({ redis }))

/** One Redis that must answer. Throws `sentinel-command-failed`. */
export async function redisOfRun(run: GroupRun, site: string, name: string): Promise<RedisServer> {
  const view = await askRedis(run.component, site, name, askingOf(run))
  if (view.is === 'answering') return view
  throw codes.error('sentinel-command-failed', view.why, { retry: 'transient', where: site, unanswered: true })
}

/** One Sentinel that answers, and its site. */
export interface AnsweringSentinel {
  readonly site: string
  readonly name: string
  readonly sentinel: Sentinel
}

/** Every Sentinel of these sites that answers; at least one. Throws `sentinel-silent`. */
export async function sentinelsOfRun(
  run: GroupRun,
  sites: readonly string[],
): Promise<readonly [AnsweringSentinel, ...AnsweringSentinel[]]> {
  const { answering, silent } = await lookAtSentinels(run, sites)
  const [first, ...more] = answering
  if (first !== undefined) return [first, ...more]
  throw noSentinel(
    sites.join(' and '),
    silent.map(({ why }) => why),
  )
}

/** Every Sentinel of these sites, whether or not it answers. */
export async function lookAtSentinels(run: GroupRun, sites: readonly string[]) {
  const seen = await Promise.all(
    sites.map(async (site) => ({ site, sentinels: await askAllSentinels(run.component, site, askingOf(run)) })),
  )
  return {
    answering: seen.flatMap(({ site, sentinels }): AnsweringSentinel[] =>
      sentinelsIn({ sentinels }).map(([name, sentinel]) => ({ site, name, sentinel })),
    ),
    silent: seen.flatMap(({ sentinels }) =>
      Object.entries(sentinels).flatMap(([name, one]) => (one.is === 'silent' ? [{ name, why: one.why }] : [])),
    ),
  }
}

const noSentinel = (site: string, silent: readonly string[]): StandbyError =>
  codes.error('sentinel-silent', `no Sentinel of ${site} answers: ${silent.join('; ') || 'none is declared'}`, {
    retry: 'transient',
    where: site,
    next: `Look at the Sentinels of ${site}.`,
    unanswered: true,
  })

/** Sets one setting of the running server; what its file says stays. */
export async function setSetting(
  run: GroupRun,
  site: string,
  name: string,
  setting: string,
  value: number,
): Promise<void> {
  await tell(run.component, { kind: 'redis', site, name }, [['CONFIG', 'SET', setting, String(value)]], askingOf(run))
}

/** Writes the settings of the running server to its configuration file. */
export async function writeFile(run: GroupRun, site: string, name: string): Promise<void> {
  await tell(run.component, { kind: 'redis', site, name }, [['CONFIG', 'REWRITE']], askingOf(run), [NO_FILE])
}
/** A server that was started without a file. */
export const NO_FILE = 'ERR The server is running without a config file'

/** More replicas than anybody has: every write is refused with NOREPLICAS. */
export const CLOSED = 1_000

export const isClosed = ({ minReplicasToWrite, minReplicasMaxLag }: RedisServer): boolean =>
  minReplicasToWrite >= CLOSED && minReplicasMaxLag > 0

/** Where a Redis differs from what its file should say while `activeSite` is active; empty: nowhere. Pure. */
export function differencesOf(
  component: Group,
  site: string,
  name: string,
  { priority, minReplicasToWrite }: RedisServer,
  activeSite: string,
): readonly (readonly [setting: string, value: number])[] {
  const declared = [
    ['replica-priority', priorityIn(component, site, name, activeSite), priority],
    ['min-replicas-to-write', minReplicasOf(component, site, name), minReplicasToWrite],
  ] as const
  return declared.flatMap(([setting, wanted, found]) => (wanted === found ? [] : [[setting, wanted] as const]))
}

/**
 * Sets what differs from the declaration, and writes it to the configuration file: Sentinel writes the file of each
 * server that it demotes, with whatever a move has set for a moment.
 */
export async function setAsDeclared(
  run: GroupRun,
  site: string,
  name: string,
  server: RedisServer,
  activeSite: string,
) {
  const differences = differencesOf(run.component, site, name, server, activeSite)
  if (differences.length === 0) return
  await tell(
    run.component,
    { kind: 'redis', site, name },
    [...differences.map(([setting, value]) => ['CONFIG', 'SET', setting, String(value)]), ['CONFIG', 'REWRITE']],
    askingOf(run),
    [NO_FILE],
  )
}

/** Leads a Redis to another one, and writes that to its configuration file: it comes back as a replica. */
export async function leadTo(
  run: GroupRun,
  site: string,
  name: string,
  master: { readonly site: string; readonly name: string },
) {
  const [host, port] = hostAndPort(redisOf(run.component, master.site, master.name))
  await tell(
    run.component,
    { kind: 'redis', site, name },
    [
      ['REPLICAOF', host, port],
      ['CONFIG', 'REWRITE'],
    ],
    askingOf(run),
    [NO_FILE],
  )
}
