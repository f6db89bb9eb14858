import { StandbyError } from '../errors/standby-error.ts'

/**
 * An object of the witness that differs from what this tool writes. It is a value and not an error, so that only what
 * depends on the object stops.
 */
export interface Damage {
  readonly code: 'witness-damaged'
  /** Its key in the witness: `active.json`. */
  readonly key: string
  /** Where in it: `$.epoch`. */
  readonly path: string
  /** What is wrong there, with the value. */
  readonly what: string
  /** The way out for a person. */
  readonly next: string
}

/** The content is not a document of any kind. `why` continues the name of the object: `is no JSON`. */
export class Unreadable {
  readonly why: string
  constructor(why: string) {
    this.why = why
  }
}

export type Decoded<T> = { readonly kind: 'sound'; readonly record: T } | ({ readonly kind: 'damaged' } & Damage)

/** `active.json is damaged: $.epoch must be a whole number, is "seven"`. */
export const damageText = ({ key, path, what }: Damage): string => `${key} in the witness is damaged: ${path} ${what}`

export function damagedError(damage: Damage): StandbyError {
  const { code, key, path, next } = damage
  return new StandbyError({ code, mustAct: 'site', what: damageText(damage), where: `witness ${key} ${path}`, next })
}
