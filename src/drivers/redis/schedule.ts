import type { KubernetesObject } from '../../clients/kubernetes-client.ts'
import type { Intent, Phase } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Versioned } from '../../driver/behaviour.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { FLAG, parametersOf } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import { type AsSeen, asSeen, ifUnchanged, invalidateObject } from '../../platform/kubernetes/compare-and-set.ts'
import { kubernetesOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { minutes, seconds } from '../../values/duration.ts'
import type { RedisState } from './observe.ts'
import type { Schedule } from './parameters.ts'
import { scheduleByHand } from './runbook.ts'
import { backupJob, type Cache, type RedisRun, type RedisSpec } from './spec.ts'

/** `schedule: null`: the site has no CronJob, so no dump is taken. */
type Scheduled = Proof & ({ readonly suspended: boolean } | { readonly schedule: null })

/** Dumps are taken on the active site, and on no other. */
export const scheduleStep = (component: Cache, site: SiteName, suspend: boolean, phase: Phase): DriverStep<Schedule> =>
  planStep(schedule, site, { ...SHORT, phase, title: titleOf(component, site, suspend), parameters: { suspend } })

/**
 * A former active site that answers stops its dumps. They would go on with stale data, and have newer names than the
 * current ones. Users are shut out with the application. No step where no dump is taken. Pure.
 */
export function fenceSteps(component: Cache, states: StatesPerSite<RedisState>, { from }: Intent): DriverStep[] {
  const seen = states[from]
  if (seen?.kind !== 'answering' || seen.state.dumping !== true) return []
  const title = titleOf(component, from, true)
  return [
    planStep(fence, from, { ...SHORT, phase: 'FENCE', title, parameters: { suspend: true }, fence: 'application' }),
  ]
}

const SHORT = { deadline: minutes(1), expected: seconds(0.2) }
const titleOf = ({ spec }: Cache, site: SiteName, suspend: boolean): string =>
  `${suspend ? 'Suspends' : 'Resumes'} the backups of ${spec.name} on ${site}`

const behaviour: Versioned<RedisSpec, Schedule, Scheduled, AsSeen> = {
  is: 'versioned',
  async done(run) {
    const found = await cronJobOf(run)
    if (found === null) return { is: 'done', proof: { schedule: null } }
    const suspended = isSuspended(found)
    return suspended === run.step.parameters.suspend
      ? { is: 'done', proof: { suspended } }
      : { is: 'pending', waitingFor: 'the schedule', due: asSeen(found) }
  },
  apply: (run, seen) => suspend(run, run.step.parameters.suspend, seen),
  invalidate: (run) => invalidateObject(kubernetesOf(run), cronRef(run), run.signal),
  back: {
    is: 'leaves-nothing',
    because:
      'it is planned after a promotion, and in a rejoin, which leaves a passive site without dumps as it should be',
  },
}

export const schedule: Action<RedisSpec, Schedule, Scheduled> = {
  name: 'schedule',
  parameters: parametersOf<Schedule>({ suspend: FLAG }),
  behaviour,
  byHand: scheduleByHand,
}

const RESUMED: Scheduled = { suspended: false }

/** The same step as a fence: it is undone with its failover. */
const fencing: Versioned<RedisSpec, Schedule, Scheduled, AsSeen> = {
  ...behaviour,
  back: {
    undo: (run, seen) => suspend(run, false, seen),
    async undone(run) {
      const found = await cronJobOf(run)
      return found !== null && isSuspended(found)
        ? { is: 'pending', waitingFor: 'the dumps to be resumed', due: asSeen(found) }
        : { is: 'done', proof: RESUMED }
    },
  },
}
export const fence: Action<RedisSpec, Schedule, Scheduled> = { ...schedule, name: 'fence', behaviour: fencing }

async function suspend(run: RedisRun, suspended: boolean, seen: AsSeen): Promise<void> {
  await kubernetesOf(run).patch(cronRef(run), { spec: { suspend: suspended } }, ifUnchanged(run, seen))
}

const cronJobOf = (run: RedisRun): Promise<KubernetesObject | null> =>
  kubernetesOf(run).get(cronRef(run), { signal: run.signal })
const isSuspended = ({ spec }: KubernetesObject): boolean =>
  (spec as { readonly suspend?: boolean } | undefined)?.suspend ?? false
const cronRef = ({ component }: RedisRun) => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  plural: 'cronjobs',
  namespace: component.spec.namespace,
  name: backupJob(component),
})
