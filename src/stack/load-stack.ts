import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { hours, parseDuration } from '../duration.ts'
import { inputError } from '../errors.ts'
import { canonicalJson, type Json, type JsonObject } from '../json.ts'
import type { Driver } from '../planning/driver.ts'
import { checkMeaning, sortedByNeeds } from './check-meaning.ts'
import { type PlacedProblem, schemaProblems } from './check-schema.ts'
import { nearest } from './nearest.ts'
import { parseYaml, type YamlText } from './parse-yaml.ts'
import { type Problem, StackInvalid } from './problems.ts'
import { componentSchema, frameSchema, type WitnessSchemas, witnessSchema } from './schema.ts'
import type { ApprovalDeclaration, Component, Objectives, SiteName, Stack } from './stack.ts'

/** The kinds of components and of witnesses that a stack file may name. */
export interface Kinds {
  readonly drivers: Readonly<Record<string, Driver>>
  readonly witnesses: WitnessSchemas
}

/** The stack that a file declares, frozen. Throws all that is wrong with it at once. */
export async function loadStack(path: string, kinds: Kinds): Promise<Stack> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw inputError('stack-not-found', `the stack file ${path} can not be read (${error.code ?? error.message})`, {
      where: path,
      next: 'Name it with --stack, or the input `stack`.',
    })
  })
  const declared = parseStack(text, path, kinds)
  const directory = dirname(resolve(path))
  const files = await readNamedFiles(declared, kinds, directory, path, text)
  const digest = createHash('sha256')
    .update(canonicalJson([['', text], ...files]))
    .digest('hex')
  return deepFreeze({ ...declared, source: { path, directory, digest } })
}

/** The stack that a text declares; pure, so without the digest of the files that it names. */
export function parseStack(text: string, path: string, kinds: Kinds): Stack {
  const yaml = parseYaml(text, path)
  const value = yaml.value as JsonObject
  const found = [...schemaProblems(frameSchema, value, []), ...partProblems(value, kinds)]
  // What the schema refuses can not be judged for its meaning: the shape is not what the checks rely on.
  if (found.length > 0) throw new StackInvalid(path, text, placed(found, yaml))
  const stack = assemble(value, path)
  const meaning = checkMeaning(stack, value, kinds.drivers)
  if (meaning.length > 0) throw new StackInvalid(path, text, placed(meaning, yaml))
  return { ...stack, components: sortedByNeeds(stack.components) }
}

/** Components and witness are judged by the schema of the driver that they name, so that errors speak about that driver only. */
function partProblems(value: JsonObject, kinds: Kinds): PlacedProblem[] {
  const parts: { readonly path: string[]; readonly part: Json; readonly schemas: Readonly<Record<string, JsonObject>> }[] = []
  const componentSchemas = Object.fromEntries(Object.entries(kinds.drivers).map(([kind, driver]) => [kind, componentSchema(driver)]))
  const witnessSchemas = Object.fromEntries(Object.entries(kinds.witnesses).map(([kind, own]) => [kind, witnessSchema(kind, own)]))
  if (isMapping(value.components))
    for (const [name, part] of Object.entries(value.components)) parts.push({ path: ['components', name], part, schemas: componentSchemas })
  if (value.witness !== undefined) parts.push({ path: ['witness'], part: value.witness, schemas: witnessSchemas })
  return parts.flatMap(({ path, part, schemas }): PlacedProblem[] => {
    if (!isMapping(part) || typeof part.driver !== 'string') return []
    const schema = schemas[part.driver]
    if (schema !== undefined) return schemaProblems(schema, part, path)
    const known = Object.keys(schemas)
    return [
      {
        path: [...path, 'driver'],
        what: `no driver ${part.driver}; there are ${known.join(', ')}`,
        suggestion: nearest(part.driver, known),
        atKey: false,
      },
    ]
  })
}

function assemble(value: JsonObject, path: string): Stack {
  const sites = Object.entries(value.sites as Record<string, JsonObject>).map(([name, site]) => ({
    name: name as SiteName,
    kubernetes: site.kubernetes as unknown as Stack['sites'][number]['kubernetes'],
  }))
  const components = Object.entries(value.components as Record<string, JsonObject>).map(([name, declared]): Component => {
    const { driver, needs, ...spec } = declared
    return { name, driver: String(driver), needs: (needs as string[] | undefined) ?? [], spec }
  })
  const { driver, ...witness } = value.witness as JsonObject
  return {
    name: String(value.name),
    sites,
    initialActive: String(value.initialActive) as SiteName,
    witness: { driver: String(driver), spec: witness },
    approval: approvalOf(value.approval as JsonObject | undefined),
    objectives: objectivesOf(value.objectives as JsonObject | undefined),
    components,
    source: { path, directory: dirname(resolve(path)), digest: '' },
  }
}

function approvalOf(declared: JsonObject | undefined): ApprovalDeclaration {
  const github = declared?.github as ApprovalDeclaration['github']
  return { expiry: durationOr(declared?.expiry, hours(2)), ...(github === undefined ? {} : { github }) }
}

function objectivesOf(declared: JsonObject | undefined): Objectives {
  return { backupAge: durationOr(declared?.backupAge, hours(26)), restoreTime: durationOr(declared?.restoreTime, hours(1)) }
}

const durationOr = (value: Json | undefined, otherwise: number): number =>
  typeof value === 'string' ? (parseDuration(value) ?? otherwise) : otherwise

async function readNamedFiles(stack: Stack, kinds: Kinds, directory: string, path: string, text: string): Promise<[string, string][]> {
  const names = stack.components.flatMap((component) =>
    (kinds.drivers[component.driver]?.files?.(component) ?? []).map((file) => ({ component, file })),
  )
  const problems: Problem[] = []
  const files = await Promise.all(
    names.map(async ({ component, file }): Promise<[string, string]> => {
      const content = await readFile(resolve(directory, file), 'utf8').catch(() => null)
      if (content === null)
        problems.push({
          path: `components.${component.name}`,
          what: `the file ${file} does not exist beside the stack file`,
          line: null,
          column: null,
          suggestion: null,
        })
      return [file, content ?? '']
    }),
  )
  if (problems.length > 0) throw new StackInvalid(path, text, problems)
  return files.sort(([a], [b]) => (a < b ? -1 : 1))
}

function placed(problems: readonly PlacedProblem[], yaml: YamlText): Problem[] {
  return problems
    .map((problem) => ({
      path: problem.path.join('.'),
      what: problem.what,
      suggestion: problem.suggestion,
      ...yaml.placeOf(problem.path, problem.atKey),
    }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
}

const isMapping = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) deepFreeze(child)
  }
  return value
}
