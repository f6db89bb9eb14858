import type { PlannedStep, StepId } from '../../domain/plan.ts'
import type { Progress } from '../../domain/progress.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { Behaviour } from '../../driver/behaviour.ts'
import { kubernetesOf, siteOf } from '../../driver/site-of-step.ts'
import { isAutoscaler } from '../../platform/kubernetes/field-managers.ts'
import { minutes, seconds } from '../../values/duration.ts'
import type { Json, JsonObject } from '../../values/json.ts'
import { planned, type Run, scale, scaledByOthers, step, touchWorkload, watchPods, watchWorkload } from './scale.ts'
import type { Application, HelmReleaseSpec } from './spec.ts'
import { mayStillRun, podsOf, readWorkload, type SeenWorkload } from './workload.ts'

/**
 * A self-heal of Argo CD looks at what changed after 5 s (`--self-heal-timeout-seconds`); two more for its write to
 * arrive.
 */
const LOOK: number = seconds(7)

/**
 * Where somebody else keeps the workload that serves: one replica more, and a look whether it stays, while users are
 * still served. No other field shows whether the replicas are kept: one that is kept as well may stand beside replicas
 * that are left alone. `before`: how many served when it was planned.
 */
export function secondLookStep(component: Application, site: SiteName, before: number | null): PlannedStep {
  const { name } = component.spec.workload
  return step(component, 'second-look', site, {
    phase: 'PREPARE',
    title: `Looks for 7 s, where another controller keeps ${name} on ${site}, whether it takes one replica more back`,
    deadline: minutes(1),
    expected: seconds(1),
    parameters: { before },
  })
}

export const secondLook: Behaviour<HelmReleaseSpec> = {
  async done(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (view === null || view.declared === 0) return { is: 'done', proof: { others: [] } }
    const asked = askedOf.get(run.signal)
    return asked === undefined ? toBeAsked(run, view) : answered(run, view, asked)
  },
  async apply(run) {
    const { replicas, others } = run.restsOn ?? {}
    await scale(run, Number(replicas))
    askedOf.set(run.signal, {
      replicas: Number(replicas),
      others: namesIn(others),
      at: run.context.clock.now().getTime(),
    })
  },
  async undo(run) {
    await scale(run, Number(run.restsOn?.replicas))
  },
  /** Another number of somebody who keeps it is not fought over: users are served by it. */
  async undone(run) {
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    const before = tried(run.proofOf(run.step.id))?.before ?? planned(run, 'before')
    if (view === null || before === null || view.scaledBy !== null || view.declared === before || view.declared === 0)
      return { is: 'done', proof: { replicas: view?.declared ?? null } }
    return {
      is: 'pending',
      waitingFor: `${run.component.spec.workload.name} to be scaled back to ${before}`,
      restsOn: { ...view.seen, replicas: before },
    }
  },
  changes: watchWorkload,
  touch: touchWorkload,
}

/**
 * The one replica more goes before the doors close: a pod that is still starting may need its whole grace period to
 * end.
 */
export function endLookStep(component: Application, site: SiteName, look: PlannedStep): PlannedStep {
  return step(component, 'end-look', site, {
    phase: 'PREPARE',
    title: `Where one replica more of ${component.spec.workload.name} was tried on ${site}: takes it back, and waits until its pod is gone`,
    needs: [look.id],
    deadline: minutes(5),
    expected: seconds(1),
    parameters: { look: look.id },
  })
}

export const endLook: Behaviour<HelmReleaseSpec> = {
  async done(run) {
    const look = tried(run.proofOf(run.step.parameters.look as StepId))
    const view = await readWorkload(kubernetesOf(run), run.component, run.signal)
    if (look === null || view === null) return { is: 'done', proof: { replicas: view?.declared ?? null } }
    const { name } = run.component.spec.workload
    if (view.declared === look.set && view.scaledBy === null)
      return {
        is: 'pending',
        waitingFor: `${name} to be scaled back to ${look.before}`,
        restsOn: { ...view.seen, replicas: look.before },
      }
    const pods = (await podsOf(kubernetesOf(run), run.component, run.signal)) ?? []
    const more = pods.filter(mayStillRun).length - view.declared
    return more > 0
      ? { is: 'pending', waitingFor: `${more} pod${more === 1 ? '' : 's'} of ${name} to end` }
      : { is: 'done', proof: { replicas: view.declared } }
  },
  async apply(run) {
    await scale(run, Number(run.restsOn?.replicas))
  },
  changes: watchPods,
  touch: touchWorkload,
}

/** What a look has changed, by its proof; null where it has changed nothing. */
function tried(proof: JsonObject | null): { readonly before: number; readonly set: number } | null {
  const { before, set } = proof ?? {}
  return typeof before === 'number' && typeof set === 'number' ? { before, set } : null
}

interface Asked {
  readonly replicas: number
  readonly others: readonly string[]
  /** Milliseconds since 1970. */
  readonly at: number
}
/** What this process has asked for, by its running step; a process that continues a run asks anew. */
const askedOf = new WeakMap<AbortSignal, Asked>()

/**
 * Nothing is changed where nobody else is seen, and where the owner of the workload has not said that it stands one pod
 * more.
 */
function toBeAsked(run: Run, view: SeenWorkload): Progress {
  const others = namesOf(view)
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
  return { is: 'pending', waitingFor: 'one replica more', restsOn: { ...view.seen, replicas, others } }
}

/**
 * The number of a process that died: whom it had seen is no more to be seen, for a change of a field takes it from its
 * manager.
 */
const isLeft = (run: Run, { declared, scaledBy }: SeenWorkload): boolean =>
  scaledBy === null && declared - 1 === planned(run, 'before')

function answered(run: Run, view: SeenWorkload, { replicas, others, at }: Asked): Progress {
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

const namesIn = (others: Json | undefined): string[] => (Array.isArray(others) ? others.map(String) : [])
const namesOf = ({ controllers }: SeenWorkload): string[] => controllers.map(({ who }) => who)
