import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep } from '../../../driver/action.ts'
import type { Seen } from '../../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { type AsSeen, asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { controllersOf, lastWriterOf, pauseOf } from '../../../platform/kubernetes/field-managers.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { DIRECTION, OPERATOR } from '../left-of-switch.ts'
import type { ClusterObject } from '../objects.ts'
import { clusterOfRun, type DatabaseRun, invalidateCluster, patchCluster } from '../run.ts'
import { clusterShell } from '../shell.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import type { OfDemotion } from './demote.ts'

/**
 * Where another controller manages the active cluster: a harmless change of `spec.replica`, and a look whether it
 * stays, while users are still served. The source that a primary would follow has no effect until it is demoted: no pod
 * restarts, and nothing is sent to PostgreSQL. The schema demands the field, so a controller that manages
 * `spec.replica` manages it too.
 */
export function secondLookStep(component: Database, intent: Intent): DriverStep<OfDemotion> {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return planStep(secondLook, intent.from, {
    phase: 'PREPARE',
    title: `Looks for 7 s, where another controller keeps ${from}, whether it takes back a harmless change of spec.replica`,
    deadline: minutes(1),
    expected: seconds(1),
    parameters: { cluster: from, successor: to },
  })
}

interface Kept extends Proof {
  /** Other controllers that manage the direction. */
  readonly others: string[]
  readonly takenBack?: false
}
interface Restored extends Proof {
  readonly source: string | null
}
/** `source`: the value to be written. */
type Due = AsSeen & { readonly source?: string }
/** What this process has written, and when (ms since the epoch). A process that resumes a run writes anew. */
interface Written {
  readonly source: string
  readonly at: number
}
type Run = DatabaseRun<OfDemotion, Written>

export const secondLook: Action<CloudNativePgSpec, OfDemotion, Kept> = {
  name: 'second-look',
  parameters: parametersOf<OfDemotion>({ cluster: TEXT, successor: TEXT }),
  behaviour: {
    is: 'versioned',
    async done(run: Run) {
      const cluster = await clusterOfRun(run)
      const written = run.memory.value
      const others = controllersOf(cluster, DIRECTION, OPERATOR).map(({ who }) => who)
      if (written !== undefined) return hasStayed(run, cluster, written, others)
      if (others.length === 0) return { is: 'done', proof: { others } }
      const due = { ...asSeen(cluster), source: otherSource(run, cluster) }
      return { is: 'pending', waitingFor: 'a harmless change', due }
    },
    async apply(run: Run, seen: Due) {
      const source = String(seen.source)
      await patchCluster(run, seen, { spec: { replica: { source } } })
      run.memory.set({ source, at: run.context.clock.now().getTime() })
    },
    invalidate: invalidateCluster,
    back: {
      /** A demotion writes the source anew; only a move that is undone has to leave it as a deploy does. */
      undo: (run: Run, seen: Due) =>
        patchCluster(run, seen, { spec: { replica: { source: run.step.parameters.successor } } }),
      async undone(run: Run): Promise<Seen<Restored, Due>> {
        const cluster = await clusterOfRun(run)
        const { name } = cluster.metadata
        const { primary, source } = cluster.spec.replica ?? {}
        if (primary !== name || source !== name) return { is: 'done', proof: { source: source ?? null } }
        const waitingFor = `spec.replica.source of ${name} to be another cluster again`
        return { is: 'pending', waitingFor, due: asSeen(cluster) }
      },
    },
  },
  byHand: {
    say(component, step, around) {
      const { cluster } = step.parameters
      const { kubectl } = clusterShell(component, { site: step.site, cluster }, around)
      return {
        commands: [`${kubectl} get cluster ${cluster} --show-managed-fields -o yaml   # who writes spec.replica?`],
        expect:
          'No manager but kubectl, Standby and the operator. Any other one there (Argo CD, Flux) is paused first: it would take back what follows.',
      }
    },
  },
}

/** Argo CD heals 5 s after a change (`--self-heal-timeout-seconds`); two more seconds for its write to arrive. */
const LOOK: number = seconds(7)
const SOURCE = ['spec', 'replica', 'source'] as const

/** Whether the harmless change has stayed for long enough. */
function hasStayed(run: Run, cluster: ClusterObject, written: Written, others: string[]): Seen<Kept, never> {
  const { name } = cluster.metadata
  const { source = 'nothing' } = cluster.spec.replica ?? {}
  if (source !== written.source)
    return {
      is: 'failed',
      code: 'reverted-by-others',
      why: `${lastWriterOf(cluster, SOURCE)} has changed spec.replica.source of ${name} back to ${source}, a moment after it was set to ${written.source}: it would take back the move as well. Users noticed nothing`,
      next: `${pauseOf(cluster, DIRECTION, OPERATOR)}, then make a new plan. docs/gitops.md says how both live together.`,
    }
  return run.context.clock.now().getTime() < written.at + LOOK
    ? { is: 'pending', waitingFor: `${others.join(', ')} to take back a harmless change of ${name}, or not` }
    : { is: 'done', proof: { others, takenBack: false } }
}

/** Both clusters are among the external clusters of every site. */
const otherSource = (run: Run, { metadata, spec }: ClusterObject): string =>
  spec.replica?.source === metadata.name ? run.step.parameters.successor : metadata.name
