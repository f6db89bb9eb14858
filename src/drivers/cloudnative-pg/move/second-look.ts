import type { Intent, PlannedStep } from '../../../domain/plan.ts'
import type { Behaviour } from '../../../driver/behaviour.ts'
import { asSeen } from '../../../platform/kubernetes/compare-and-set.ts'
import { controllersOf, lastWriterOf, pauseOf } from '../../../platform/kubernetes/field-managers.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { DIRECTION, OPERATOR } from '../left-of-switch.ts'
import type { ClusterObject } from '../objects.ts'
import { type CloudNativePgSpec, clusterOf, type Database } from '../spec.ts'
import { parameter, plannedStep } from '../steps.ts'
import { clusterOfRun, patchAsSeen, type Run, touchCluster } from '../where.ts'

/**
 * A self-heal of Argo CD looks at what changed after 5 s (`--self-heal-timeout-seconds`); two more for its write to
 * arrive.
 */
const LOOK: number = seconds(7)
const SOURCE = ['spec', 'replica', 'source'] as const

/**
 * Where somebody else keeps the active cluster: a harmless change of `spec.replica`, and a look whether it stays, while
 * users are still served. Whom a primary would follow says nothing to it until it is demoted: no pod restarts, and
 * PostgreSQL is told nothing. The schema demands the field, so whoever keeps `spec.replica` keeps it too.
 */
export function secondLookStep(component: Database, intent: Intent): PlannedStep {
  const [from, to] = [clusterOf(component, intent.from), clusterOf(component, intent.to)]
  return plannedStep(component, 'second-look', intent.from, {
    phase: 'PREPARE',
    title: `Looks for 7 s, where another controller keeps ${from}, whether it takes back a harmless change of spec.replica`,
    deadline: minutes(1),
    expected: seconds(1),
    parameters: { cluster: from, successor: to },
  })
}

export const secondLook: Behaviour<CloudNativePgSpec> = {
  async done(run) {
    const cluster = await clusterOfRun(run)
    const asked = askedOf.get(run.signal)
    const others = controllersOf(cluster, DIRECTION, OPERATOR).map(({ who }) => who)
    if (asked === undefined) {
      return others.length === 0
        ? { is: 'done', proof: { others } }
        : {
            is: 'pending',
            waitingFor: 'a harmless change',
            restsOn: { ...asSeen(cluster), source: otherSource(run, cluster) },
          }
    }
    const { name } = cluster.metadata
    if (cluster.spec.replica?.source !== asked.source)
      return {
        is: 'failed',
        code: 'reverted-by-others',
        why: `${lastWriterOf(cluster, SOURCE)} has changed spec.replica.source of ${name} back to ${cluster.spec.replica?.source ?? 'nothing'}, a moment after it was set to ${asked.source}: it would take back the move as well. Users noticed nothing`,
        next: `${pauseOf(cluster, DIRECTION, OPERATOR)}, then make a new plan. docs/gitops.md says how both live together.`,
      }
    const left = asked.at + LOOK - run.context.clock.now().getTime()
    return left > 0
      ? { is: 'pending', waitingFor: `${others.join(', ')} to take back a harmless change of ${name}, or not` }
      : { is: 'done', proof: { others, takenBack: false } }
  },
  async apply(run) {
    const source = String(run.restsOn?.source)
    await patchAsSeen(run, { spec: { replica: { source } } })
    askedOf.set(run.signal, { source, at: run.context.clock.now().getTime() })
  },
  /** The demotion says anew whom to follow; only what is taken back has to be as a deploy leaves it. */
  async undo(run) {
    await patchAsSeen(run, { spec: { replica: { source: parameter(run.step, 'successor') } } })
  },
  async undone(run) {
    const cluster = await clusterOfRun(run)
    const { name } = cluster.metadata
    const { primary, source } = cluster.spec.replica ?? {}
    return primary === name && source === name
      ? {
          is: 'pending',
          waitingFor: `spec.replica.source of ${name} to be another cluster again`,
          restsOn: asSeen(cluster),
        }
      : { is: 'done', proof: { source: source ?? null } }
  },
  touch: touchCluster,
}

/** What this process has asked for, by its running step; whoever continues a run asks anew. */
const askedOf = new WeakMap<AbortSignal, { readonly source: string; readonly at: number }>()

/** Both stand among the external clusters of every site. */
const otherSource = (run: Run, { metadata, spec }: ClusterObject): string =>
  spec.replica?.source === metadata.name ? parameter(run.step, 'successor') : metadata.name
