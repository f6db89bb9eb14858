import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../driver/action.ts'
import type { Seen, Versioned } from '../../driver/behaviour.ts'
import { NUMBER, orNull, parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import type { AsSeen } from '../../platform/kubernetes/compare-and-set.ts'
import { isAutoscaler } from '../../platform/kubernetes/field-managers.ts'
import { kubernetesOf, siteOf } from '../../platform/kubernetes/kubernetes-of-step.ts'
import { minutes, seconds } from '../../values/duration.ts'
import type { Before, EndLook } from './parameters.ts'
import { endLookByHand, secondLookByHand } from './runbook.ts'
import { invalidateWorkload, replicasVary, scale, scaledByOthers, watchPods, watchWorkload } from './scale.ts'
import type { Application, HelmReleaseSpec, ReleaseRun } from './spec.ts'
import { mayStillRun, podsInWords, podsOf, readWorkload, type SeenWorkload } from './workload.ts'

/**
 * Argo CD heals 5 s after a change (`--self-heal-timeout-seconds`); two more seconds for its write to arrive.
 */
const LOOK: number = seconds(7)

/** The result of a look; `before` and `set`: replicas, where it has tried one more. */
interface Looked extends Proof {
  readonly others: readonly string[]
  readonly tried?: false
  readonly scaledBy?: string
  readonly takenBack?: false
  readonly before?: number
  readonly set?: number
}
type WorkloadAsSeen = AsSeen & {
  /** To be set. */
  readonly replicas: number
  readonly others?: readonly string[]
}
/** The change of this process. A process that continues a run tries anew. */
interface Tried {
  readonly replicas: number
  readonly others: readonly string[]
  /** Milliseconds since 1970. */
  readonly at: number
}
type LookRun = ReleaseRun<Before, Tried>

/**
 * Where another controller manages the workload that serves: sets one replica more, and looks whether it stays, while
 * users are still served. No other field shows whether the controller manages the replicas: it may manage others, and
 * leave the replicas alone.
 */
export const secondLookStep = (component: Application, site: SiteName, before: number | null): DriverStep<Before> =>
  planStep(secondLook, site, {
    phase: 'PREPARE',
    title: `Looks for 7 s, where another controller keeps ${component.spec.workload.name} on ${site}, whether it takes one replica more back`,
    deadline: minutes(1),
    expected: seconds(1),
    parameters: { before },
  })

const looking: Versioned<HelmReleaseSpec, Before, Looked, WorkloadAsSeen, Tried> = {
  is: 'versioned',
  async done(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view === null || view.declared === 0) return { is: 'done', proof: { others: [] } }
    const tried = run.memory.value
    return tried === undefined ? toBeTried(run, view) : answered(run, view, tried)
  },
  async apply(run, seen) {
    await scale(run, seen.replicas, seen)
    run.memory.set({
      replicas: seen.replicas,
      others: seen.others ?? [],
      at: run.context.clock.now().getTime(),
    })
  },
  changes: watchWorkload,
  invalidate: invalidateWorkload,
  back: {
    undo: (run, seen) => scale(run, seen.replicas, seen),
    /** A manager that keeps another number is left alone: users are served by it. */
    async undone(run) {
      const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
      const before = triedBy(run.proofOf<Looked>({ id: run.step.id }))?.before ?? run.step.parameters.before
      if (view === null || before === null || view.scaledBy !== null || view.declared === before || view.declared === 0)
        return { is: 'done', proof: replicasLeft(view) }
      return {
        is: 'pending',
        waitingFor: `${run.component.spec.workload.name} to be scaled back to ${before}`,
        due: { ...view.seen, replicas: before },
      }
    },
  },
}

export const secondLook: Action<HelmReleaseSpec, Before, Looked> = {
  name: 'second-look',
  parameters: parametersOf<Before>({ before: orNull(NUMBER) }),
  varies: { before: replicasVary },
  behaviour: looking,
  byHand: secondLookByHand,
}

/**
 * The additional replica is removed before the doors close: a pod that is still starting may need its whole grace
 * period to end.
 */
export function endLookStep(component: Application, site: SiteName): DriverStep<EndLook> {
  const look = stepOf(component, secondLook, site)
  return planStep(endLook, site, {
    phase: 'PREPARE',
    title: `Where one replica more of ${component.spec.workload.name} was tried on ${site}: takes it back, and waits until its pod is gone`,
    needs: [look],
    deadline: minutes(5),
    expected: seconds(1),
    parameters: { look: look.id },
  })
}

interface ReplicasLeft extends Proof {
  readonly replicas: number | null
}
const replicasLeft = (view: SeenWorkload | null): ReplicasLeft => ({ replicas: view?.declared ?? null })

const ending: Versioned<HelmReleaseSpec, EndLook, ReplicasLeft, WorkloadAsSeen> = {
  is: 'versioned',
  async done(run) {
    const look = triedBy(run.proofOf<Looked>({ id: run.step.parameters.look }))
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (look === null || view === null) return { is: 'done', proof: replicasLeft(view) }
    const { name } = run.component.spec.workload
    if (view.declared === look.set && view.scaledBy === null)
      return {
        is: 'pending',
        waitingFor: `${name} to be scaled back to ${look.before}`,
        due: { ...view.seen, replicas: look.before },
      }
    const pods = (await podsOf(kubernetesOf(run), run.component, run.signal)) ?? []
    const more = pods.filter(mayStillRun).length - view.declared
    return more > 0
      ? { is: 'pending', waitingFor: `${podsInWords(more)} of ${name} to end` }
      : { is: 'done', proof: replicasLeft(view) }
  },
  apply: (run, seen) => scale(run, seen.replicas, seen),
  changes: watchPods,
  invalidate: invalidateWorkload,
  back: { is: 'leaves-nothing', because: 'it takes back what second-look has tried' },
}

export const endLook: Action<HelmReleaseSpec, EndLook, ReplicasLeft> = {
  name: 'end-look',
  parameters: parametersOf<EndLook>({ look: TEXT }),
  behaviour: ending,
  byHand: endLookByHand,
}

/** The change that a look has made, by its proof; null where it made none. */
function triedBy(proof: Looked | null): { readonly before: number; readonly set: number } | null {
  const { before, set } = proof ?? {}
  return typeof before === 'number' && typeof set === 'number' ? { before, set } : null
}

/**
 * Changes nothing where no other controller is seen, or where the workload is not declared to tolerate one pod more.
 */
function toBeTried(run: LookRun, view: SeenWorkload): Seen<Looked, WorkloadAsSeen> {
  const others = view.controllers.map(({ who }) => who)
  const left = isLeft(run, view)
  if (others.length === 0 && !left) return { is: 'done', proof: { others } }
  if (!view.surges) {
    const { kind, name } = run.component.spec.workload
    run.context.log.warning(
      `${run.step.id}: ${others.join(', ')} keeps ${kind}/${name} on ${siteOf(run)}, and whether it takes a move back is not tried: no rollout of it runs one pod more than it has replicas`,
    )
    return { is: 'done', proof: { others, tried: false } }
  }
  const replicas = left ? view.declared : view.declared + 1
  return { is: 'pending', waitingFor: 'one replica more', due: { ...view.seen, replicas, others } }
}

/**
 * Whether the number was set by a process that died. The controllers that it saw are seen no more, because a write of a
 * field takes it from its manager.
 */
const isLeft = (run: LookRun, { declared, scaledBy }: SeenWorkload): boolean =>
  scaledBy === null && declared - 1 === run.step.parameters.before

function answered(run: LookRun, view: SeenWorkload, { replicas, others, at }: Tried): Seen<Looked, WorkloadAsSeen> {
  if (view.declared !== replicas) {
    // An autoscaler leaves a workload of no replicas alone, and may think that one more is one too many.
    if (view.scaledBy !== null && isAutoscaler(view.scaledBy))
      return { is: 'done', proof: { others, scaledBy: view.scaledBy } }
    return scaledByOthers(run, view, replicas, ': it would take back the move as well. Users noticed nothing')
  }
  return at + LOOK > run.context.clock.now().getTime()
    ? {
        is: 'pending',
        waitingFor: `${others.join(', ') || 'another controller'} to take back one replica more, or not`,
      }
    : { is: 'done', proof: { others, takenBack: false, before: replicas - 1, set: replicas } }
}
