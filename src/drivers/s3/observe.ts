import type { Observed } from '../../domain/observed.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { PROBE_RESULT, type S3Spec } from './spec.ts'

export interface S3State {
  readonly bucket: string
  readonly versioning: 'enabled' | 'suspended' | 'off' | 'unknown'
  /** From the record of the last deploy's probe; null when it was never probed. */
  readonly conditionalWrites: boolean | null
}

/** Whether a site's store answers and keeps versions, and what the probe found about its preconditions. */
export async function observeStore(
  component: Component<S3Spec>,
  site: SiteName,
  context: DriverContext,
): Promise<Observed<S3State>> {
  const { location, open } = context.objectStore(component.name, site)
  try {
    const store = await open('read')
    const [versioning, probe] = await Promise.all([
      store.versioning({ signal: context.signal }),
      store.get(PROBE_RESULT, { signal: context.signal }),
    ])
    return {
      kind: 'answering',
      state: {
        bucket: location.bucket,
        versioning,
        conditionalWrites: probe === null ? null : conditionalWritesIn(probe.body),
      },
      role: 'unknown',
      health: 'healthy',
      text: `${location.bucket} answers, versioning ${versioning}`,
      facts: [],
    }
  } catch (error) {
    return { kind: 'silent', why: asStandbyError(error).message }
  }
}

/** The result of the last probe; null when its record is damaged, which counts as none. */
export function conditionalWritesIn(body: string): boolean | null {
  try {
    const { conditionalWrites } = JSON.parse(body) as { readonly conditionalWrites?: unknown }
    return typeof conditionalWrites === 'boolean' ? conditionalWrites : null
  } catch {
    return null
  }
}
