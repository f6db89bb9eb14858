import type { Way } from '../clients/patience.ts'
import type { JsonObject } from '../values/json.ts'
import type { DocumentKind } from './decode.ts'

/**
 * Small JSON records in the witness, outside both sites: backup manifests, results of restore tests, histories that a
 * failover cut off.
 */
export interface Records {
  /** How long the way to them is, so far as it is known. */
  readonly way?: Way | undefined
  write(kind: RecordKind, name: string, record: JsonObject): Promise<void>
  /**
   * The newest record whose name starts with `prefix`, that is sound, and that is `meant`, if it is among the newest
   * 30. The last part of a name is the time. A damaged fork throws, unless its name is one that does not decide.
   */
  newest<T>(
    kind: RecordKind,
    prefix: string,
    document: DocumentKind<T>,
    meant?: (record: T) => boolean,
    decides?: (name: string) => boolean,
  ): Promise<{ readonly name: string; readonly record: T } | null>
}
export type RecordKind = 'backups' | 'restore-tests' | 'forks'
