import type { Claim, NamedPath, SpecProblem } from '../domain/declaration.ts'
import { FENCE_LEVELS } from '../domain/fence-levels.ts'
import type { Driver } from '../driver/capabilities.ts'
import { platforms } from '../platform/registry.ts'
import { duration, kubernetesName, MEANS, type Meaning, text } from '../schema/parts.ts'
import type { Json, JsonObject } from '../values/json.ts'
import { approvalSchema } from './schema-approval.ts'

/** The address of the published schema; editors read it through the header comment of a stack file. */
export const SCHEMA_ID = 'https://standby.dev/schema/stack.schema.json'

/** What the loader knows of a storage that can be a witness. */
export interface WitnessKind {
  readonly schema: JsonObject
  /** The objects that the witness owns, as a component's claims. Pure. */
  claims(spec: JsonObject): Claim[]
  /** Files of the user that it reads, relative to the stack file; they are part of the stack's digest. Pure. */
  files?(spec: JsonObject): readonly NamedPath[]
  /** What the schema cannot say. Pure. */
  validate?(spec: JsonObject): SpecProblem[]
}
/** By driver name. */
export type WitnessKinds = Readonly<Record<string, WitnessKind>>

/**
 * The part of the stack file that no driver owns; `components` and `witness` are checked by the schema of their driver.
 */
export const frameSchema: JsonObject = {
  type: 'object',
  required: ['standby', 'name', 'sites', 'initialActive', 'witness', 'components'],
  additionalProperties: false,
  properties: {
    standby: { description: 'Version of this file format: 1.', const: 1 },
    name: kubernetesName('The name of the stack: Infisical, Hanzo KMS, …'),
    sites: {
      description: 'The data centres, regions or clusters that can carry the whole stack; at least two.',
      type: 'object',
      minProperties: 2,
      maxProperties: 16,
      propertyNames: {
        description: 'Lower case letters, digits and "-", at most 63.',
        pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
      },
      additionalProperties: {
        description: 'One site: its cluster, its hosts, or both.',
        type: 'object',
        minProperties: 1,
        additionalProperties: false,
        properties: Object.fromEntries(Object.values(platforms).map(({ name, schema }) => [name, schema])),
      },
    },
    initialActive: text('The active site of the first deploy. Later the witness says which site is active.', {
      [MEANS]: 'site' satisfies Meaning,
    }),
    objectives: {
      description: 'What restore tests are judged against.',
      type: 'object',
      additionalProperties: false,
      properties: {
        backupAge: duration('A backup that is older is a finding. Default 26h.'),
        restoreTime: duration('A restore test that takes longer is degraded. Default 1h.'),
      },
    },
    witness: {
      description: 'Storage outside both sites that holds epoch, lock, journal and evidence.',
      type: 'object',
      required: ['driver'],
      properties: { driver: text('The kind of storage.') },
    },
    approval: approvalSchema,
    fencing: {
      description:
        'How far the old site must be shut out before anything is promoted: traffic closed on every load balancer, application at zero, database fenced, write access to the archive revoked, power or network off.',
      type: 'object',
      additionalProperties: false,
      properties: {
        switchover: fenceLevel('For a planned move. Default database.'),
        failover: fenceLevel(
          'When the active site is lost: what can be shut without it. Default traffic. With application, database or archive (which demands the database as well) a failover from an unreachable site waits until its guard must have shut it.',
        ),
      },
    },
    components: {
      description: 'The parts of the stack: database, cache, object store, application, traffic.',
      type: 'object',
      minProperties: 1,
      maxProperties: 200,
      propertyNames: {
        description:
          'Begins with a lower case letter; then lower case letters, digits and "-", at most 31; not "witness".',
        pattern: '^(?!witness$)[a-z][-a-z0-9]{0,30}$',
      },
      additionalProperties: {
        type: 'object',
        required: ['driver'],
        properties: { driver: text('The kind of component.') },
      },
    },
  },
}

function fenceLevel(description: string): JsonObject {
  return { description, type: 'string', enum: [...FENCE_LEVELS] }
}

const needs: JsonObject = {
  description: 'Components that must be ready before this one.',
  type: 'array',
  items: text('Name of a component of this stack.'),
  uniqueItems: true,
}

/** A driver's own schema with the keys that every component has. */
export const componentSchema = (driver: Driver): JsonObject => withKeys(driver.schema, driver.kind, { needs })
const witnessPlace: JsonObject = {
  site: text(
    'The declared site that the witness is lost with, in a stack of three or more sites. Absent: it is outside of all sites.',
    { [MEANS]: 'site' satisfies Meaning },
  ),
}
export const witnessSchema = (kind: string, own: JsonObject): JsonObject => withKeys(own, kind, witnessPlace)

function withKeys(own: JsonObject, kind: string, more: JsonObject): JsonObject {
  const required = Array.isArray(own.required) ? (own.required as string[]) : []
  return {
    ...own,
    type: 'object',
    required: ['driver', ...required],
    additionalProperties: false,
    properties: {
      driver: { description: String(own.description ?? kind), const: kind },
      ...more,
      ...(own.properties as JsonObject),
    },
  }
}

/** The whole published schema: the frame, with each component and the witness chosen by its driver. */
export function publishedSchema(drivers: Readonly<Record<string, Driver>>, witnesses: WitnessKinds): JsonObject {
  const frame = frameSchema.properties as JsonObject
  const components = Object.values(drivers).map((driver) => [driver.kind, componentSchema(driver)] as const)
  return withoutMeanings({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: SCHEMA_ID,
    title: 'Standby stack file',
    description: 'One application with everything that it needs, and the sites that can carry it.',
    ...frameSchema,
    properties: {
      ...frame,
      witness: {
        ...(frame.witness as JsonObject),
        ...chosenByDriver(
          Object.entries(witnesses).map(([kind, { schema }]) => [kind, witnessSchema(kind, schema)] as const),
        ),
      },
      components: {
        ...(frame.components as JsonObject),
        additionalProperties: {
          description: 'One part of the stack; its driver says which keys it has.',
          ...chosenByDriver(components),
        },
      },
    },
  })
}

function chosenByDriver(schemas: readonly (readonly [string, JsonObject])[]): JsonObject {
  const kinds = schemas.map(([kind]) => kind)
  return {
    type: 'object',
    required: ['driver'],
    properties: {
      driver: {
        description: `One of ${kinds.join(', ')}.`,
        enum: kinds,
        // Not part of the standard: the texts that editors show beside each value.
        markdownEnumDescriptions: schemas.map(([kind, schema]) => String(schema.description ?? kind)),
      },
    },
    allOf: schemas.map(([kind, schema]) => ({
      // Without `required`, a component that names no driver would be judged by all drivers.
      if: { properties: { driver: { const: kind } }, required: ['driver'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: schema,
    })),
  }
}

/** Removes our own annotations, which are for the loader and not for editors. */
function withoutMeanings<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutMeanings) as unknown as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value as JsonObject).flatMap(([key, part]) => (key === MEANS ? [] : [[key, withoutMeanings(part)]])),
  ) as T
}
