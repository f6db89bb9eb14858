import type { Way } from '../clients/patience.ts'
import type { JsonObject } from '../values/json.ts'
import type { DocumentKind } from './decode.ts'

/**
 * Small JSON records in the witness, outside both sites: backup manifests, results of restore tests, histories that a
 * failover cut off.
 */
export interface Records {
  /** The delay of the network to the records, as far as it is known. */
  readonly way?: Way | undefined
  write(kind: RecordKind, name: string, record: JsonObject): Promise<void>
  /**
   * The newest sound record whose name starts with `prefix` and that is `meant`; searches the newest 30. The last part
   * of a name is the time. A damaged fork throws, unless its name shows that it does not decide.
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
