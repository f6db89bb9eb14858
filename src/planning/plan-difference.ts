/** Something that a plan says otherwise than the plan that is made anew. Both values are texts for a person. */
export interface PlanDifference {
  /** `step database.promote@dc-b, parameters.cluster`. */
  readonly where: string
  readonly planned: string
  readonly now: string
}

/** One line for a person: which field of which step, with both values. */
export const sayDifference = ({ where, planned, now }: PlanDifference): string =>
  `${where} is ${planned} in the plan, and would be ${now} now`
