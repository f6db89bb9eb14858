import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { GuardedUnits, SeenUnit } from '../../driver/guarded-units.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { seconds } from '../../values/duration.ts'
import { askRedis } from './observe.ts'
import { isClosed } from './run.ts'
import { controlOf, type Group, groupSiteOf, type RedisSentinelSpec, redisOf, unitOf } from './spec.ts'
import type { RedisView } from './views.ts'

/** The unit of each Redis on a machine; its Sentinels take no writes, and are left alone. */
export const guardedUnits: GuardedUnits<RedisSentinelSpec> = {
  units: (component, site, machine) =>
    Object.entries(groupSiteOf(component, site).redis)
      .filter(([, { host }]) => host === machine)
      .map(([name]) => ({
        unit: unitOf(component, site, name),
        look: (context) => lookAtRedis(component, site, name, context),
      })),
}

async function lookAtRedis(component: Group, site: SiteName, name: string, context: DriverContext): Promise<SeenUnit> {
  if (groupSiteOf(component, site).automatic === true)
    return { is: 'passive', start: 'harmless', why: `Sentinel may promote ${name} by itself (automatic)` }
  const [view, { runs, file }] = await Promise.all([
    askRedis(component, site, name, { context, signal: context.signal }).catch(
      (error: unknown): RedisView => ({ is: 'silent', why: asStandbyError(error).message }),
    ),
    unitAndFile(component, site, name, context),
  ])
  return judged({ name, view, runs, file })
}

interface Judged {
  readonly name: string
  readonly view: RedisView
  readonly runs: boolean
  /** By its configuration file, which Redis and Sentinel rewrite at each change of its role. */
  readonly file: 'replica' | 'master' | 'unread'
}

/**
 * Without a file that says `replicaof`, a Redis starts as a master, and Sentinel needs some seconds to see it. Pure.
 */
export function judged({ name, view, runs, file }: Judged): SeenUnit {
  const start = { replica: 'harmless', master: 'opens', unread: 'unknown' }[file] as SeenUnit['start']
  const inFile = {
    replica: `the file of ${name} says that it is a replica`,
    master: `the file of ${name} names no master that it follows`,
    unread: `the file of ${name} cannot be read, or is not declared (configFile)`,
  }[file]
  if (view.is === 'answering') {
    if (view.role === 'replica') return { is: 'passive', start, why: `${name} is a replica` }
    return isClosed(view)
      ? { is: 'shut', start, why: `${name} refuses writes (min-replicas-to-write)` }
      : { is: 'open', start, why: `${name} is a master that accepts writes` }
  }
  if (!runs) return { is: file === 'replica' ? 'passive' : 'shut', start, why: inFile }
  if (file === 'master') return { is: 'open', start, why: `${inFile}, and it does not answer: ${view.why}` }
  return file === 'replica'
    ? { is: 'passive', start, why: inFile }
    : { is: 'unknown', start, why: `${name} does not answer: ${view.why}` }
}

async function unitAndFile(
  component: Group,
  site: SiteName,
  name: string,
  context: DriverContext,
): Promise<Pick<Judged, 'runs' | 'file'>> {
  const { host, configFile } = redisOf(component, site, name)
  const script = `${configFile === undefined ? 'echo unread' : roleIn(configFile)}; ${controlOf(component)} is-active ${unitOf(component, site, name)} || :`
  const { stdout } = await context
    .platform(HOSTS, site)
    .run(host, script, { asRoot: true, deadline: seconds(5), signal: context.signal })
  const [file = '', state = ''] = stdout.trim().split('\n')
  return {
    runs: !['inactive', 'failed', 'unknown'].includes(state),
    file: file === 'replica' || file === 'master' ? file : 'unread',
  }
}

/**
 * Prints the role that a configuration file gives a Redis which starts with it. The last line counts, and `replicaof no
 * one` is a master (config.c of Redis).
 */
const roleIn = (file: string): string => `if [ ! -r '${file}' ]; then echo unread; else
case "$(grep -iE '^[[:space:]]*(replicaof|slaveof)[[:space:]]' '${file}' | tail -n 1 | tr -d '"' | tr -d "'" | tr 'A-Z\t' 'a-z ' | tr -s ' ')" in
  '' | *'of no one'*) echo master ;;
  *) echo replica ;;
esac; fi`
