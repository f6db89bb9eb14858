import type { ObjectStoreLocation } from '../clients/object-store-client.ts'
import type { ComponentName, SiteName, Stack } from '../domain/stack.ts'

/** What a person does in place of a step, when nothing else is left. */
export interface Manual {
  /** Lines for a POSIX shell, in order. They hold no secret: contexts, profiles and variables stand for them. */
  readonly commands: readonly string[]
  /** What is to be seen before the next step. */
  readonly expect: string
  /** The mistake that costs data, or the way back. */
  readonly never?: string
}

/** What surrounds a step of a runbook: values only. */
export interface ManualSurroundings {
  readonly stack: Stack
  /** Where an object-store component keeps its objects for a site. */
  objectStore(component: ComponentName, site: SiteName): ObjectStoreLocation
  readonly witness: WitnessManual
}

/** How a stack's witness is read and written by hand. */
export interface WitnessManual {
  /** Lines that the others rest on, once per shell. */
  readonly prepare: readonly string[]
  /**
   * Copies one object into a local file of the same name, and remembers its version first; `remark` is what the reader
   * must find in it.
   */
  read(key: string, remark: string): string[]
  /** Edits that file, and replaces the object, only over the version that was read. */
  replace(key: string): string[]
  /** Writes an object that must not exist yet from a local file. */
  create(key: string, file: string): string
}

/** A text as one word of a POSIX shell. */
export const quoted = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/** The AWS command line for a site's object store, with a profile of the site's name that holds the credentials. */
export const awsS3 = (
  location: Pick<ObjectStoreLocation, 'endpoint' | 'region' | 'endpointCA'>,
  profile: string,
): string =>
  `aws --profile ${quoted(profile)} --endpoint-url ${quoted(location.endpoint)} --region ${quoted(location.region)}${
    location.endpointCA === undefined ? '' : ` --ca-bundle ${quoted(location.endpointCA)}`
  }`
