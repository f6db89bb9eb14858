import type { Milliseconds } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import type { ComponentName, SiteName } from './stack.ts'

/** A namespace of its own on a passive site, in which backups are restored and judged; always removed. */
export interface Sandbox {
  readonly id: string
  readonly site: SiteName
  readonly namespace: string
  /** Every object in it has these labels; the clean-up finds forgotten sandboxes by them. */
  readonly labels: Readonly<Record<string, string>>
  readonly deadline: Milliseconds
  /** What the components restored so far said of their endpoints. */
  endpointOf(component: ComponentName): JsonObject | null
}

/** One judgement about restored data. A check that cannot fail is worthless. */
export interface Check {
  /** Stable: `row-counts`, `canary-decrypts`. */
  readonly id: string
  readonly component: ComponentName
  readonly outcome: 'pass' | 'fail' | 'objective-missed' | 'inconclusive'
  readonly expected: string
  readonly found: string
}

export type Verdict = 'restorable' | 'degraded' | 'not-restorable' | 'inconclusive'
