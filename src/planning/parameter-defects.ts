import type { PlannedStep } from '../domain/plan.ts'
import type { AnyAction } from '../driver/action.ts'
import { judge } from '../stack/check-schema.ts'
import type { JsonObject } from '../values/json.ts'

/**
 * What of a planned step's parameters its action does not take: each with its path within the step, such as
 * `parameters.replicas`. A behaviour reads them as their type says, so a step whose parameters have another shape is
 * never performed. Pure.
 */
export const parameterDefects = (step: PlannedStep, { parameters }: AnyAction<JsonObject>): string[] =>
  judge(parameters, step.parameters, ['parameters']).problems.map(({ path, what, suggestion }) => {
    const meant = typeof suggestion === 'string' ? ` (${suggestion} is meant?)` : ''
    return `${placeOf(path)}: ${what}${meant}`
  })

const placeOf = (path: readonly (string | number)[]): string =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${part}`)).join('')
