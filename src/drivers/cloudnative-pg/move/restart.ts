import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen, ifUnchanged } from '../../../platform/kubernetes/compare-and-set.ts'
import { unlessForbidden } from '../../../platform/kubernetes/unless-forbidden.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { type ClusterObject, type InstanceStatus, RESTARTING_IN_PLACE } from '../objects.ts'
import {
  askSql,
  type ClusterRun,
  clusterOfRun,
  instanceOf,
  invalidateCluster,
  kubernetesOf,
  type OfCluster,
  podIsReady,
  refOf,
  remember,
} from '../run.ts'
import { asArgument, clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { type Shipped, settingOf, shipReceived } from './fill-archive.ts'

/**
 * A replica archives with `archive_mode: always`, a primary with `on`: the operator restarts PostgreSQL after the
 * promotion, and clients that were let in before would delay that restart (smart shutdown). The cluster is ready for
 * clients when this step ends, which is at once where it restarted ahead of its promotion (`restart-ahead.ts`).
 *
 * This step requests the restart as `kubectl cnpg restart` does. The operator alone takes its time: a second with one
 * instance; with more it first recreates each of the others, pod by pod, and restarts the primary last (20 s with two,
 * seen in the lab with 1.30), for a setting that users need not wait for on the other instances.
 */
export const restartStep = (
  component: Database,
  site: SiteName,
  promotion: StepReference<Proof>,
): DriverStep<OfCluster> =>
  planStep(restart, site, {
    phase: 'PROMOTE',
    needs: [promotion],
    title: `Restarts ${clusterOf(component, site)} with archive_mode on before clients come, as its operator would later, unless it has done so ahead`,
    deadline: minutes(5),
    expected: seconds(4),
    parameters: { cluster: clusterOf(component, site) },
  })

interface Restarted extends Proof {
  readonly writable: true
  readonly archiveMode: 'on'
}
/** `due`: the files of a restart ahead are shipped first. */
export type RestartDue = AsSeen & { readonly due?: 'ship' }

/** What a process remembers of a step that requests a restart. */
export interface Refused {
  /**
   * The request was refused, and the log says so: it stays due until the operator restarts, and is refused each time.
   */
  readonly refused?: true
}

export const restart: Action<CloudNativePgSpec, OfCluster, Restarted> = {
  name: 'restart',
  parameters: parametersOf<OfCluster>({ cluster: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: ClusterRun) {
      const cluster = await clusterOfRun(run)
      return restartOf(run, cluster, await instanceOf(run, cluster))
    },
    apply: (run: ClusterRun<Refused & Shipped>, seen: RestartDue) =>
      seen.due === 'ship' ? shipReceived(run) : requestOwedRestart(run, seen),
    invalidate: invalidateCluster,
    back: { is: 'irreversible' },
    // No object changes when PostgreSQL answers again, and users wait for just that. SQL is sent only then.
    async *changes({ context, signal }) {
      while (!signal.aborted) yield await context.clock.sleep(LOOKS_EVERY, signal)
    },
    /**
     * The operator writes the setting before it promotes, and makes PostgreSQL read it afterwards, in the same pass. A
     * pass that ends in between, because the position of the token was not reached yet or the lease not taken, forgets
     * the second half: the restart never comes (instance_controller.go of 1.30, lines 206 to 277; seen in the lab).
     * PostgreSQL then reads what is written, which makes the restart due, and the operator looks again. A nudge amid
     * the restart costs a second.
     */
    nudge: {
      every: seconds(8),
      async send(run) {
        await askSql(run, 'SELECT pg_reload_conf();')
        await invalidateCluster(run)
      },
    },
  },
  byHand: {
    say(component, step, around) {
      const { cluster } = step.parameters
      const { kubectl, psql } = clusterShell(component, { site: step.site, cluster }, around)
      const status = asArgument({ status: { phase: RESTARTING_IN_PLACE } })
      return {
        commands: [
          psql('SELECT pg_reload_conf()'),
          `${kubectl} patch cluster ${cluster} --subresource=status --type merge -p ${status}   # its instance manager restarts it`,
          psql("SELECT pg_is_in_recovery(), current_setting('archive_mode')"),
        ],
        expect: 'PostgreSQL answers f|on: it restarted. Ask again until it does; some seconds are usual.',
        never: 'Let clients in before: they would delay the restart, and it would come while users are served.',
      }
    },
  },
}

const LOOKS_EVERY = seconds(0.2)

/**
 * Whether a primary has restarted since its promotion, and is ready for clients. Pending with a precondition while the
 * restart has to be requested.
 */
export async function restartOf(
  run: ClusterRun,
  cluster: ClusterObject,
  instance: InstanceStatus | null,
): Promise<Seen<Restarted, RestartDue>> {
  const isUp = instance?.isPrimary === true && instance.pendingRestart !== true && (await podIsReady(run, cluster))
  const setting = isUp ? await settingOf(run) : null
  const promoted = setting?.inRecovery === false
  if (promoted && setting.archiveMode === 'on') return { is: 'done', proof: { writable: true, archiveMode: 'on' } }
  const waitingFor = `${cluster.metadata.name} to restart with archive_mode on`
  // Its site was lost while a restart ahead was being undone: the setting of that overrides what the operator writes,
  // and no restart would come.
  if (promoted && setting.ahead) return { is: 'pending', waitingFor, due: { ...asSeen(cluster), due: 'ship' } }
  // By the status of PostgreSQL itself, so that nothing restarts twice; and not while the restart is under way.
  const isOwed =
    instance?.isPrimary === true && instance.pendingRestart === true && cluster.status?.phase !== RESTARTING_IN_PLACE
  return { is: 'pending', waitingFor, ...(isOwed ? { due: asSeen(cluster) } : {}) }
}

/** Requests a restart that the operator owes. An identity without that right waits for the operator. */
export async function requestOwedRestart(run: ClusterRun<Refused>, seen: AsSeen): Promise<void> {
  await unlessForbidden(
    () => requestRestart(run, seen, 'after a promotion'),
    ({ message, next = '' }) => {
      if (run.memory.value?.refused === true) return
      remember<Refused>(run, { refused: true })
      run.context.log.warning(`${run.step.id}: waits for the operator to restart it: ${message}. ${next}`)
    },
  )
}

/**
 * The phase is an instruction to the instance manager; the operator's own command line gives it in the same way
 * (restart.go of 1.30, instanceRestart).
 */
export async function requestRestart(run: ClusterRun, seen: AsSeen, why: string): Promise<void> {
  const status = { phase: RESTARTING_IN_PLACE, phaseReason: `Requested by Standby, ${why}` }
  await kubernetesOf(run).patch(refOf(run), { status }, { subresource: 'status', ...ifUnchanged(run, seen) })
}
