import type { FenceLevel } from '../domain/fence-levels.ts'
import type { Phase, PlannedStep } from '../domain/plan.ts'
import type { Component, SiteName } from '../domain/stack.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import type { Check, Plain, StepReference, Versioned } from './behaviour.ts'
import type { Manual, ManualSurroundings } from './manual.ts'
import type { Proof } from './proofs.ts'
import type { Varies, VaryingTitle } from './varying.ts'

/** One kind of step of a driver, in one place: its parameters, its behaviour, its runbook, what of it may vary. */
export interface Action<Spec, Parameters extends JsonObject = JsonObject, P extends Proof = Proof> {
  /** `promote`: stable, in ids, journals and evidence. */
  readonly name: string
  /**
   * JSON Schema of its parameters. Each planned step is held against it when a plan is made, approved, executed and
   * resumed (`planning/parameter-defects.ts`): a step with other parameters is a defect of its plan.
   */
  readonly parameters: JsonObject
  /** What of them may change between a plan and its execution, such as a number of replicas. */
  readonly varies?: { readonly [Name in keyof Parameters]?: Varies }
  /** The titles that say such a parameter. */
  readonly titleOf?: VaryingTitle<Spec>
  readonly behaviour: AnyBehaviour<Spec, Parameters, P>
  /** What a person types in its place; `none` says that no short manual procedure exists. */
  readonly byHand: 'none' | ByHand<Spec, Parameters>
}
export interface ByHand<Spec, Parameters extends JsonObject> {
  /** null: no short way for these parameters. A method, so that actions of different parameters fit into one list. */
  say(component: Component<Spec>, step: DriverStep<Parameters>, around: ManualSurroundings): Manual | null
}
/** In the list of a driver; the engine calls it with the parameters of the step that names it. */
export type AnyAction<Spec> = Action<Spec>
export type AnyBehaviour<Spec, Parameters extends JsonObject, P extends Proof> =
  | Check<Spec, Parameters, P, unknown>
  | Plain<Spec, Parameters, P, unknown>
  | Versioned<Spec, Parameters, P, JsonObject, unknown>

/**
 * What a driver returns: a step without what only the core may set. id, component and action come from the action;
 * `bestEffort`, `byTime` and the gates before PROMOTE are the core's.
 */
export interface DriverStep<Parameters extends JsonObject = JsonObject>
  extends Omit<PlannedStep, 'id' | 'component' | 'needs' | 'parameters' | 'bestEffort' | 'byTime' | 'fence'> {
  readonly action: string
  readonly needs: readonly StepReference<Proof>[]
  readonly parameters: Parameters
  readonly fence?: FenceLevel
  /** Of a step that acts on no site: the site that it is about, for its id. */
  readonly about?: SiteName
}

/** Plans one step of this action, fully typed. */
export function planStep<Spec, Parameters extends JsonObject, P extends Proof>(
  action: Action<Spec, Parameters, P>,
  site: SiteName | null,
  step: {
    readonly phase: Phase
    readonly title: string
    readonly deadline: Milliseconds
    readonly expected: Milliseconds
    readonly parameters: Parameters
    readonly needs?: readonly StepReference<Proof>[]
    readonly irreversible?: boolean
    readonly mayBeginIn?: Phase
    readonly fence?: FenceLevel
    readonly about?: SiteName
  },
): DriverStep<Parameters> {
  return { action: action.name, site, needs: [], irreversible: false, ...step }
}

/** `database.promote@dc-b`, with the type of what it proves. `site`: where it acts, or what it is about. */
export const stepOf = <Spec, Parameters extends JsonObject, P extends Proof>(
  component: Pick<Component<Spec>, 'name'>,
  action: Action<Spec, Parameters, P>,
  site: SiteName | null,
): StepReference<P> => ({ id: idOf(component, action.name, site) })

/** The id of a planned step. */
export const idOfStep = (
  component: Pick<Component, 'name'>,
  { action, site, about }: Pick<DriverStep, 'action' | 'site'> & { readonly about?: SiteName | undefined },
): string => idOf(component, action, site ?? about ?? null)

const idOf = ({ name }: Pick<Component, 'name'>, action: string, site: SiteName | null): string =>
  `${name}.${action}${site === null ? '' : `@${site}`}`
