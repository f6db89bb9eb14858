import type { PlannedStep, StepId } from '../../../domain/plan.ts'
import type { Progress } from '../../../domain/progress.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { kubernetesOf } from '../../../driver/site-of-step.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { asSeen, onlyAsSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { type ClusterObject, clusterRef, type InstanceStatus, RESTARTING_IN_PLACE } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { askSql, clusterOfRun, instanceOf, namespaceOf, podIsReady, type Run, touchCluster } from '../where.ts'
import { settingOf, shipReceived } from './fill-archive.ts'

/**
 * A replica archives with `archive_mode: always`, a primary with `on`: the operator restarts PostgreSQL after the
 * promotion, and clients that were let in before would hold that restart up (smart shutdown). It is ready for clients
 * when this step ends, which it is at once where it restarted ahead of its promotion (`restart-ahead.ts`).
 *
 * The restart is asked for here, as `kubectl cnpg restart` does. Left to itself the operator takes its time for it: a
 * second with one instance; with more it makes each of the others anew first, pod by pod, and comes to the primary last
 * (20 s with two, seen in the lab with 1.30), for a setting that users need not wait for anywhere else.
 */
export function restartStep(component: Database, site: SiteName, promotion: StepId): PlannedStep {
  const cluster = clusterOf(component, site)
  return plannedStep(component, 'restart', site, {
    phase: 'PROMOTE',
    needs: [promotion],
    title: `Restarts ${cluster} with archive_mode on before clients come, as its operator would later, unless it has done so ahead`,
    deadline: minutes(5),
    expected: seconds(4),
    parameters: { cluster },
  })
}

export const restart: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    return restartOf(run, cluster, await instanceOf(run, cluster))
  },
  apply: (run) => (run.restsOn?.due === 'ship' ? shipReceived(run) : askForRestart(run)),
  touch: touchCluster,
  // Nothing that can be watched changes when PostgreSQL answers again, and users wait for just that. SQL is asked for
  // only then.
  async *changes({ context, signal }) {
    while (!signal.aborted) yield await context.clock.sleep(LOOKS_EVERY, signal)
  },
  /**
   * The operator writes the setting before it promotes, and tells PostgreSQL of it afterwards, in the same pass. A pass
   * that ends in between, because the token's position was not reached yet or the lease not taken, forgets that: no
   * restart comes, ever (instance_controller.go of 1.30, lines 206 to 277; seen in the lab). Then PostgreSQL reads what
   * is written, which makes the restart due, and the operator looks again. A word in the middle of a restart costs a
   * second.
   */
  reminder: {
    every: seconds(8),
    async remind(run) {
      await askSql(run, 'SELECT pg_reload_conf();')
      await touchCluster(run)
    },
  },
}

const LOOKS_EVERY = seconds(0.2)

/**
 * Whether a primary has restarted behind its promotion, and is ready for clients; pending with what the request for it
 * would rest on while it is due.
 */
export async function restartOf(run: Run, cluster: ClusterObject, instance: InstanceStatus | null): Promise<Progress> {
  const settled = instance?.isPrimary === true && instance.pendingRestart !== true && (await podIsReady(run, cluster))
  const setting = settled ? await settingOf(run) : null
  const promoted = setting?.inRecovery === false
  if (promoted && setting.archiveMode === 'on') return { is: 'done', proof: { writable: true, archiveMode: 'on' } }
  // What PostgreSQL says of itself, so that nothing is restarted that has restarted already; and no second time while
  // it is at it.
  const due =
    instance?.isPrimary === true && instance.pendingRestart === true && cluster.status?.phase !== RESTARTING_IN_PLACE
  const waitingFor = `${cluster.metadata.name} to restart with archive_mode on`
  // Its site was lost while a restart ahead was taken back: what that wrote stands over what the operator writes, and
  // no restart would come.
  if (promoted && setting.ahead) return { is: 'pending', waitingFor, restsOn: { ...asSeen(cluster), due: 'ship' } }
  return { is: 'pending', waitingFor, ...(due ? { restsOn: asSeen(cluster) } : {}) }
}

/**
 * The running steps that have said that they may not: the request stays due until the operator comes to it, and they
 * are refused again and again.
 */
const refused = new WeakSet<AbortSignal>()

/** Asks for a restart that the operator owes; an identity that may not waits for the operator. */
export async function askForRestart(run: Run): Promise<void> {
  try {
    await requestRestart(run, 'behind a promotion')
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.code !== 'kubernetes-forbidden') throw reason
    if (refused.has(run.signal)) return
    refused.add(run.signal)
    run.context.log.warning(
      `${run.step.id}: waits for the operator to come to it: ${reason.message}. ${reason.next ?? ''}`,
    )
  }
}

/**
 * The phase is an instruction to the instance manager, and how the operator's own command line gives it (restart.go of
 * 1.30, instanceRestart).
 */
export async function requestRestart(run: Run, why: string): Promise<void> {
  const status = { phase: RESTARTING_IN_PLACE, phaseReason: `Asked for by Standby, ${why}` }
  const ref = clusterRef(namespaceOf(run), parameter(run.step, 'cluster'))
  await kubernetesOf(run).patch(ref, { status }, { subresource: 'status', ...onlyAsSeen(run) })
}
