import type { SiteName } from '../../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import { FLAG, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen, ifUnchanged, invalidateObject } from '../../../platform/kubernetes/compare-and-set.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { SCHEDULED_BACKUP } from '../objects.ts'
import { type DatabaseRun, kubernetesOf, namespaceOf, type OfCluster } from '../run.ts'
import { asArgument, clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'

/**
 * Base backups are taken on the active site: a passive one cannot be asked for the manifest against which restores are
 * judged. No step where the component declares no schedule.
 */
export function scheduleSteps(component: Database, site: SiteName, suspend: boolean): DriverStep<OfSchedule>[] {
  if (component.spec.schedule === undefined) return []
  const cluster = clusterOf(component, site)
  return [
    planStep(schedule, site, {
      phase: 'PROTECT',
      title: `${suspend ? 'Suspends' : 'Resumes'} the scheduled backups of ${cluster}`,
      deadline: minutes(1),
      expected: seconds(0.2),
      parameters: { cluster, suspend },
    }),
  ]
}

type OfSchedule = OfCluster & { readonly suspend: boolean }
/** Of a cluster without a ScheduledBackup: `schedule` null. */
type Scheduled = (Proof & { readonly suspended: boolean }) | (Proof & { readonly schedule: null })
type Run = DatabaseRun<OfSchedule>

export const schedule: Action<CloudNativePgSpec, OfSchedule, Scheduled> = {
  name: 'schedule',
  parameters: parametersOf<OfSchedule>({ cluster: TEXT, suspend: FLAG }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const { cluster, suspend } = run.step.parameters
      const found = await kubernetesOf(run).get(scheduleOf(run), { signal: run.signal })
      if (found === null) return { is: 'done', proof: { schedule: null } }
      const suspended = (found.spec as { suspend?: boolean }).suspend ?? false
      return suspended === suspend
        ? { is: 'done', proof: { suspended } }
        : { is: 'pending', waitingFor: `the schedule of ${cluster}`, due: asSeen(found) }
    },
    async apply(run: Run, seen: AsSeen) {
      const { suspend } = run.step.parameters
      await kubernetesOf(run).patch(scheduleOf(run), { spec: { suspend } }, ifUnchanged(run, seen))
    },
    invalidate: (run: Run) => invalidateObject(kubernetesOf(run), scheduleOf(run), run.signal),
    back: { is: 'irreversible' },
  },
  byHand: {
    say(component, step, around) {
      const { cluster, suspend } = step.parameters
      const { kubectl } = clusterShell(component, { site: step.site, cluster }, around)
      return {
        commands: [`${kubectl} patch scheduledbackup ${cluster} --type merge -p ${asArgument({ spec: { suspend } })}`],
        expect: 'patched. Base backups are taken of the active site alone.',
      }
    },
  },
}

const scheduleOf = (run: Run) => ({
  ...SCHEDULED_BACKUP,
  namespace: namespaceOf(run),
  name: run.step.parameters.cluster,
})
