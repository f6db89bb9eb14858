import type { Plan } from '../domain/plan.ts'
import type { Json, JsonObject } from '../values/json.ts'
import { defectOf } from '../witness/judge-document.ts'
import { isName } from '../witness/keys.ts'

/**
 * Whether a plan has the form that all code relies on: that of the published schema, which judges each plan that is
 * read, and here also one that was never written. What the schema leaves open to later versions, and a plan of this
 * version does not have: more fields in what decides, and other names than those of objects in the witness. Pure.
 * Empty: it has that form.
 */
export function shapeDefects(plan: Plan): string[] {
  const defect = defectOf('plan.schema.json', plan)
  if (defect !== null) return [`${defect.path} ${defect.what}`]
  const { intent, predictions, facts } = plan
  const more = (what: string, value: object, names: readonly string[]): string[] =>
    Object.keys(value).flatMap((name) => (names.includes(name) ? [] : [`${what} has an unknown field ${name}`]))
  return [
    ...(['id', 'nonce'] as const).flatMap((name) =>
      isName(plan[name]) ? [] : [`its ${name} can be no name in the witness`],
    ),
    ...more('its intent', intent, ['mode', 'from', 'to', 'acceptLoss']),
    ...more('what it predicts', predictions, ['duration', 'writeGap', 'learned', 'loss']),
    ...more('what its times rest on', predictions.learned, ['runs', 'steps']),
    ...more('the loss that it predicts', predictions.loss, ['bytes', 'seconds', 'likely', 'why']),
    ...[predictions.loss.bytes, predictions.loss.seconds].flatMap(([least, most]) =>
      least < 0 || (most !== null && most < least) ? [`it predicts a loss from ${least} to ${most}`] : [],
    ),
    ...(facts as unknown as readonly JsonObject[]).flatMap((fact, index) => [
      ...more(`its fact number ${index + 1}`, fact, ['component', 'site', 'name', 'value', 'binds', 'limit', 'unit']),
      ...(isComparable(fact) ? [] : [`its fact number ${index + 1} is no figure with a limit and a unit`]),
    ]),
  ]
}

/** A fact that may move up to a limit is a figure. */
const isComparable = ({ binds, value, limit, unit }: JsonObject): boolean =>
  binds === 'exactly' || ([value, limit].every((figure) => typeof figure === 'number') && isText(unit))
const isText = (value: Json | undefined): boolean => typeof value === 'string' && value !== ''
