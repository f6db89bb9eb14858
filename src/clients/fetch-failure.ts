import { wasCut, wireFailure } from './wire-failure.ts'

/** The connection was cut after it stood: another try may find a healthy one. */
export const wasLost = (error: unknown): boolean => wasCut(error)

/** Why nothing was answered, for a person. */
export const reasonOf = (error: unknown): string => wireFailure(error).why
