import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type {
  ApprovalDeclaration,
  Component,
  FencingDeclaration,
  GitHubReviewers,
  Objectives,
  RequiredSignatures,
  SiteName,
  Stack,
} from '../domain/stack.ts'
import type { Driver } from '../driver/capabilities.ts'
import { inputError } from '../errors/standby-error.ts'
import { hours, parseDuration } from '../values/duration.ts'
import { isObject, type Json, type JsonObject } from '../values/json.ts'
import { approvalProblems } from './check-approval.ts'
import { driverProblems, nameProblems, pastedCredentials, sortedByNeeds } from './check-meaning.ts'
import { type Judgement, judge } from './check-schema.ts'
import { controlCharacters, siteWarnings, timesOutOfBounds } from './check-values.ts'
import { digestOfStack, type NamedFile, readNamed } from './named-files.ts'
import { nearest } from './nearest.ts'
import { parseYaml, type YamlText } from './parse-yaml.ts'
import { type PlacedProblem, type Problem, StackInvalid } from './problems.ts'
import { componentSchema, frameSchema, type WitnessKinds, witnessSchema } from './schema.ts'

/** The kinds of components and of witnesses that a stack file may name. */
export interface Kinds {
  readonly drivers: Readonly<Record<string, Driver>>
  readonly witnesses: WitnessKinds
}

/** The stack that a file declares, frozen. Throws all problems at once. */
export async function loadStack(path: string, kinds: Kinds): Promise<Stack> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw inputError('stack-not-found', `the stack file ${path} cannot be read (${error.code ?? error.message})`, {
      where: path,
      next: 'Name it with --stack, or the input `stack`.',
    })
  })
  const text = textOf(bytes, path)
  const { stack, problems, yaml } = examine(text, path, kinds)
  const named = stack === null ? { files: [], problems: [] } : await readAllNamed(stack, kinds)
  const found = [...problems, ...named.problems]
  if (stack !== null && found.every(({ severity }) => severity === 'warning'))
    found.push(...(await fileProblems(stack, kinds)))
  return judged(stack, found, named.files, { text, path, yaml })
}

/** The file must be UTF-8: another encoding would be read with wrong letters, or not at all. */
function textOf(bytes: Buffer, path: string): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  const place = lineOfNoUtf8(bytes)
  throw new StackInvalid(path, '', [
    {
      path: '',
      what: 'the file is not UTF-8 text from this line on: save it as UTF-8',
      suggestion: null,
      line: place,
      column: 1,
    },
  ])
}

function lineOfNoUtf8(bytes: Buffer): number {
  let line = 1
  for (let at = 0; at < bytes.length; line++) {
    const next = bytes.indexOf(0x0a, at)
    const end = next === -1 ? bytes.length : next + 1
    if (!isUtf8(bytes.subarray(at, end))) return line
    at = end
  }
  return 1
}

/**
 * The stack that a text declares, frozen. Pure: the files that it names are neither read nor part of its digest.
 */
export function parseStack(text: string, path: string, kinds: Kinds): Stack {
  const { stack, problems, yaml } = examine(text, path, kinds)
  return judged(stack, problems, [], { text, path, yaml })
}

interface StackText {
  readonly text: string
  readonly path: string
  readonly yaml: YamlText
}

/** The stack with its warnings; throws all problems at once, including the warnings. */
function judged(
  stack: Stack | null,
  problems: readonly PlacedProblem[],
  files: readonly NamedFile[],
  { text, path, yaml }: StackText,
): Stack {
  if (stack === null || problems.some(({ severity }) => severity !== 'warning'))
    throw invalid(path, text, yaml, problems)
  const warnings = problems.map(({ path: at, what, atKey }) => ({
    path: at.join('.'),
    what,
    line: yaml.placeOf(at, atKey ?? false).line,
  }))
  return deepFreeze({
    ...stack,
    source: { ...stack.source, digest: digestOfStack(text, files) },
    ...(warnings.length === 0 ? {} : { warnings }),
  })
}

interface Examined {
  /** Null when the file does not have the shape of a stack. */
  readonly stack: Stack | null
  readonly problems: readonly PlacedProblem[]
  readonly yaml: YamlText
}

function examine(text: string, path: string, kinds: Kinds): Examined {
  const yaml = parseYaml(text, path)
  const value = yaml.value as JsonObject
  const judged = [judge(frameSchema, value, []), ...judgeParts(value, kinds)]
  const meanings = judged.flatMap((one) => one.meanings)
  const pasted = pastedCredentials(value)
  const others = [
    ...judged.flatMap((one) => one.problems),
    ...nameProblems(value, meanings),
    ...approvalProblems(value.approval),
    ...controlCharacters(value),
    ...timesOutOfBounds(value),
  ]
  // Other problems of a misplaced credential are dropped, because their messages contain its value.
  const problems = [
    ...others.filter(
      ({ path: at, concealed }) => concealed === true || !pasted.some((one) => one.path.join('.') === at.join('.')),
    ),
    ...pasted,
  ]
  // Drivers may rely on what their schema and the names promise.
  if (problems.length > 0) return { stack: null, problems, yaml }
  const stack = assemble(value, path)
  return {
    stack,
    problems: [...driverProblems(stack, kinds.drivers, kinds.witnesses), ...siteWarnings(stack, kinds.drivers)],
    yaml,
  }
}

/**
 * Components and witness are judged by the schema of the driver that they name, so that errors are only about that
 * driver.
 */
function judgeParts(value: JsonObject, kinds: Kinds): Judgement[] {
  const driverSchemas = new Map(Object.entries(kinds.drivers).map(([kind, driver]) => [kind, componentSchema(driver)]))
  const witnessSchemas = new Map(
    Object.entries(kinds.witnesses).map(([kind, { schema }]) => [kind, witnessSchema(kind, schema)]),
  )
  const components = isObject(value.components) ? Object.entries(value.components) : []
  return [
    ...components.map(([name, part]) => judgePart(part, ['components', name], driverSchemas)),
    judgePart(value.witness, ['witness'], witnessSchemas),
  ]
}

function judgePart(
  part: Json | undefined,
  path: readonly string[],
  schemas: ReadonlyMap<string, JsonObject>,
): Judgement {
  if (!isObject(part) || typeof part.driver !== 'string') return { problems: [], meanings: [] }
  const schema = schemas.get(part.driver)
  if (schema !== undefined) return judge(schema, part, path)
  const kinds = [...schemas.keys()]
  const what = `there is no driver ${part.driver}; there are ${kinds.join(', ')}`
  return { problems: [{ path: [...path, 'driver'], what, suggestion: nearest(part.driver, kinds) }], meanings: [] }
}

function assemble(value: JsonObject, path: string): Stack {
  const sites = Object.entries(value.sites as Record<string, JsonObject>).map(([name, site]) => ({
    name: name as SiteName,
    platforms: site as Readonly<Record<string, JsonObject>>,
  }))
  const components = Object.entries(value.components as Record<string, JsonObject>).map(
    ([name, declared]): Component => {
      const { driver, needs, ...spec } = declared
      return { name, driver: String(driver), needs: (needs as string[] | undefined) ?? [], spec }
    },
  )
  const { driver, site, ...witness } = value.witness as JsonObject
  return {
    name: String(value.name),
    sites,
    initialActive: String(value.initialActive) as SiteName,
    witness: {
      driver: String(driver),
      spec: witness,
      ...(site === undefined ? {} : { site: site as SiteName }),
    },
    approval: approvalOf(value.approval as JsonObject | undefined),
    objectives: objectivesOf(value.objectives as JsonObject | undefined),
    fencing: { ...undeclaredFencing, ...(value.fencing as Partial<FencingDeclaration> | undefined) },
    components: sortedByNeeds(components),
    source: { path, directory: dirname(resolve(path)), digest: '' },
  }
}

function approvalOf(declared: JsonObject | undefined): ApprovalDeclaration {
  const signatures = declared?.signatures as RequiredSignatures | undefined
  return {
    expiry: durationOr(declared?.expiry, hours(2)),
    ...(declared?.github === undefined ? {} : { github: gitHubReviewersOf(declared.github as JsonObject) }),
    ...(signatures === undefined ? {} : { signatures }),
  }
}

function gitHubReviewersOf(declared: JsonObject): GitHubReviewers {
  const environments = (declared.environments ?? [declared.environment]) as readonly string[]
  return { environments, branch: String(declared.branch), approvers: Number(declared.approvers ?? environments.length) }
}

const undeclaredFencing: FencingDeclaration = { switchover: null, failover: null }

function objectivesOf(declared: JsonObject | undefined): Objectives {
  return {
    backupAge: durationOr(declared?.backupAge, hours(26)),
    restoreTime: durationOr(declared?.restoreTime, hours(1)),
  }
}

const durationOr = (value: Json | undefined, otherwise: number): number =>
  typeof value === 'string' ? (parseDuration(value) ?? otherwise) : otherwise

interface AllNamed {
  readonly files: readonly NamedFile[]
  readonly problems: readonly PlacedProblem[]
}

async function readAllNamed(stack: Stack, kinds: Kinds): Promise<AllNamed> {
  const { driver, spec } = stack.witness
  const named = [
    ...(kinds.witnesses[driver]?.files?.(spec) ?? []).map((file) => ({ at: ['witness'], spec, file })),
    ...stack.components.flatMap((component) =>
      (kinds.drivers[component.driver]?.files?.(component) ?? []).map((file) => ({
        at: ['components', component.name],
        spec: component.spec,
        file,
      })),
    ),
  ]
  const read = await Promise.all(named.map(({ file }) => readNamed(stack.source.directory, file)))
  return {
    files: read.flatMap(({ files }) => files),
    problems: read.flatMap(({ problems }, index): PlacedProblem[] => {
      const one = named[index]
      if (one === undefined) return []
      const path = [...one.at, ...(pathOf(one.file.path, one.spec) ?? [])]
      return problems.map((problem) => ({ path, ...problem }))
    }),
  }
}

/** The problems that drivers find in the files that their components name. */
async function fileProblems(stack: Stack, kinds: Kinds): Promise<PlacedProblem[]> {
  const found = await Promise.all(
    stack.components.map(async (component) => {
      const problems = (await kinds.drivers[component.driver]?.fileProblems?.(component, stack)) ?? []
      return problems.map(({ path, what }): PlacedProblem => ({ path: ['components', component.name, ...path], what }))
    }),
  )
  return found.flat()
}

/** The path of a text in a value. */
function pathOf(text: string | undefined, value: Json): (string | number)[] | null {
  if (value === text) return []
  if (typeof value !== 'object' || value === null) return null
  for (const [key, part] of Object.entries(value)) {
    const below = pathOf(text, part as Json)
    if (below !== null) return [Array.isArray(value) ? Number(key) : key, ...below]
  }
  return null
}

/** In the order of the file; equal messages of two checks are merged. */
function invalid(path: string, text: string, yaml: YamlText, problems: readonly PlacedProblem[]): StackInvalid {
  const placed = problems.map(({ path: at, what, suggestion, atKey, concealed, severity }): Problem => {
    const place = yaml.placeOf(at, atKey ?? false)
    const more = {
      ...(concealed === true ? { concealed } : {}),
      ...(severity === undefined ? {} : { severity }),
      ...(atKey === true ? { atKey } : {}),
    }
    return { path: at.join('.'), what, suggestion: suggestion ?? null, ...place, ...more }
  })
  const distinct = new Map(placed.map((problem) => [`${problem.path}\n${problem.what}`, problem]))
  return new StackInvalid(
    path,
    text,
    [...distinct.values()].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)),
  )
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) deepFreeze(child)
  }
  return value
}
