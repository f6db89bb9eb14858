import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { asStandbyError } from '../../src/errors/standby-error.ts'
import { parseStack } from '../../src/stack/load-stack.ts'
import { type Problem, StackInvalid } from '../../src/stack/problems.ts'

export const kinds = { drivers, witnesses }
export const publishedStacks = ['infisical-kubernetes', 'hanzo-kms'] as const

const folder = resolve(import.meta.dirname, '../../stacks')
export type PublishedStack = (typeof publishedStacks)[number] | 'infisical-on-premise'
export const pathOfStack = (name: PublishedStack): string => join(folder, name, 'standby.yaml')
export const textOfStack = (name: PublishedStack): string => readFileSync(pathOfStack(name), 'utf8')

/** The error with which a text is refused; null when it declares a stack. Whatever is no StandbyError is thrown on. */
export function refusalOf(text: string): StackInvalid | null {
  try {
    parseStack(text, 'standby.yaml', kinds)
    return null
  } catch (error) {
    if (error instanceof StackInvalid) return error
    throw asStandbyError(error)
  }
}
export const problemsOf = (text: string): readonly Problem[] => refusalOf(text)?.problems ?? []

/** A text with one passage replaced; the passage must be there, or a test would prove nothing. */
export function replaced(text: string, passage: string, by: string): string {
  if (!text.includes(passage)) throw new Error(`the text holds no ${passage}`)
  return text.replace(passage, () => by)
}
