import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import type { StatesPerSite } from '../../../driver/capabilities.ts'
import { quoted } from '../../../driver/manual.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { HOSTS } from '../../../platform/hosts/client.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import { type GroupState, mastersIn } from '../observe.ts'
import { type GroupRun, redisAtSite, siteOf } from '../run.ts'
import { controlOf, type Group, groupNamed, type RedisSentinelSpec, redisNamesOf, redisOf, unitOf } from '../spec.ts'
import { hostAndPort } from '../wire.ts'

/**
 * A Redis that is stopped comes back as a replica: its file says so before it starts, so that it accepts no write at
 * any time. Nothing for one that runs, or whose file is not declared. Pure.
 */
export function startSteps(component: Group, states: StatesPerSite<GroupState>, { from, to }: Intent): DriverStep[] {
  const seen = states[to]
  const stopped = redisNamesOf(component, to).filter((name) => {
    const view = seen?.kind === 'answering' ? seen.state.redis[name] : undefined
    return view?.is !== 'answering' && redisOf(component, to, name).configFile !== undefined
  })
  return stopped.length === 0
    ? []
    : [
        planStep(start, to, {
          phase: 'PREPARE',
          title: `Writes the master of ${from} into the files of ${stopped.join(' and ')} of ${groupNamed(component, to)}, and starts them as its replicas`,
          deadline: minutes(3),
          expected: seconds(3),
          parameters: { stopped, followed: from },
        }),
      ]
}

type OfStart = {
  readonly stopped: readonly string[]
  /** The site that is followed. */
  readonly followed: string
}
interface Started extends Proof {
  readonly replicas: readonly string[]
}
type Run = GroupRun<OfStart>

export const start: Action<RedisSentinelSpec, OfStart, Started> = {
  name: 'start',
  parameters: parametersOf<OfStart>({ stopped: listOf(TEXT), followed: TEXT }),
  behaviour: {
    is: 'plain',
    async done(run: Run): Promise<Seen<Started, never>> {
      const { stopped } = run.step.parameters
      const redis = await redisAtSite(run, siteOf(run))
      const missing = stopped.filter((name) => redis[name]?.is !== 'answering')
      return missing.length === 0
        ? { is: 'done', proof: { replicas: stopped } }
        : { is: 'pending', waitingFor: `${missing.join(', ')} to answer` }
    },
    async apply(run: Run) {
      const { stopped, followed } = run.step.parameters
      const site = siteOf(run)
      const redis = await redisAtSite(run, site)
      const [master] = mastersIn({ redis: await redisAtSite(run, followed) })
      if (master === undefined)
        throw codes.error('sentinel-no-master', `${followed} has no master to follow`, {
          retry: 'transient',
          where: followed,
          next: `Look at the Sentinels of ${followed}.`,
        })
      for (const name of stopped)
        if (redis[name]?.is !== 'answering') await startAsReplica(run, site, name, { site: followed, name: master[0] })
    },
    back: { is: 'leaves-nothing', because: 'a replica of the active site is what a passive site should be' },
  },
  byHand: {
    say: (component, step) => ({
      commands: step.parameters.stopped.map((name) => {
        const { followed } = step.parameters
        const [first = ''] = redisNamesOf(component, followed)
        const script = scriptOf(component, step.site ?? '', name, { site: followed, name: first })
        return `ssh ${quoted(redisOf(component, step.site ?? '', name).host)} sudo sh -c '${script.replaceAll("'", `'\\''`)}'`
      }),
      expect: `Each answers ROLE with slave. Put the master of ${step.parameters.followed} into replicaof where it is another one.`,
      never: 'Start the unit before its file says replicaof: it comes back as a master, and accepts writes.',
    }),
  },
}

async function startAsReplica(
  run: Run,
  site: string,
  name: string,
  master: { readonly site: string; readonly name: string },
): Promise<void> {
  const { component, context, signal } = run
  const { host } = redisOf(component, site, name)
  const answer = await context.platform(HOSTS, siteOf(run)).run(host, scriptOf(component, site, name, master), {
    asRoot: true,
    deadline: seconds(60),
    signal,
  })
  if (answer.code === RUNS)
    throw codes.error(
      'sentinel-command-failed',
      `${unitOf(component, site, name)} on ${host} runs, and ${name} does not answer`,
      {
        retry: 'transient',
        where: `${site} ${host}`,
        next: `Look at the log of ${unitOf(component, site, name)}. Its file is not changed while it runs.`,
      },
    )
  if (answer.code !== 0)
    throw codes.error(
      'sentinel-command-failed',
      `${name} could not be started on ${host}: ${(answer.stderr || answer.stdout).trim().split('\n').slice(-2).join(' ')}`,
      {
        retry: 'transient',
        where: `${site} ${host}`,
        next: 'The user of the hosts needs the rights of root there (become: sudo).',
      },
    )
}

/** Exit code of the script: the unit is active. */
const RUNS = 75

/** A running Redis would write its own file over ours: it is written only while the unit is stopped. */
function scriptOf(
  component: Group,
  site: string,
  name: string,
  master: { readonly site: string; readonly name: string },
): string {
  const [host, port] = hostAndPort(redisOf(component, master.site, master.name))
  const file = redisOf(component, site, name).configFile ?? ''
  const [control, unit] = [controlOf(component), unitOf(component, site, name)]
  return [
    'set -e',
    // The file holds passwords.
    'umask 077',
    `case "$(${control} is-active ${unit})" in active|activating|reloading|deactivating) exit ${RUNS};; esac`,
    // As Redis writes it; slaveof is its older name.
    `sed -e '/^[[:space:]]*\\(replicaof\\|slaveof\\)[[:space:]]/d' '${file}' >'${file}.standby'`,
    `echo 'replicaof ${host} ${port}' >>'${file}.standby'`,
    `chown --reference='${file}' '${file}.standby'; chmod --reference='${file}' '${file}.standby'`,
    `sync '${file}.standby'; mv '${file}.standby' '${file}'`,
    `${control} enable --now ${unit}`,
  ].join('\n')
}
