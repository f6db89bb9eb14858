import type { Fact } from '../../domain/fact.ts'
import type { Observed } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import type { OtherController } from '../../platform/kubernetes/field-managers.ts'
import { type CanarySeen, seeCanary } from './canary-seen.ts'
import { secretHashes } from './must-match.ts'
import { othersOf } from './others.ts'
import type { Application } from './spec.ts'
import { readWorkload, type WorkloadView } from './workload.ts'

export interface HelmReleaseState {
  readonly workload: WorkloadView
  /** Who else keeps the workload as they know it. Absent: nobody who can be seen. */
  readonly controllers?: readonly OtherController[]
  /** Who set its size last, beside Standby. Absent: nobody else, or nobody who can be seen. */
  readonly scaledBy?: string
  /** null when this identity may not read the Secrets: then a deploy compares them. */
  readonly secrets: Readonly<Record<string, string | null>> | null
  /** What else its release runs: `Deployment/worker`. Absent: nothing, as far as this identity may see. */
  readonly others?: readonly string[]
  /** Absent where none is declared. */
  readonly canary?: CanarySeen
}

export async function observeRelease(
  component: Application,
  site: SiteName | null,
  context: DriverContext,
): Promise<Observed<HelmReleaseState>> {
  if (site === null) return { kind: 'absent', why: 'an application belongs to a site' }
  const found = readWorkload(context.kubernetes(site), component, context.signal)
  const [workload, secrets, others, canary] = await Promise.all([
    found,
    readableHashes(component, site, context),
    othersOf(context.kubernetes(site), component, context.signal),
    found.then((view) => (view === null ? null : seeCanary(component, site, view.declared > 0, context))),
  ])
  if (workload === null)
    return {
      kind: 'absent',
      why: `there is no ${component.spec.workload.kind} ${component.spec.namespace}/${component.spec.workload.name}`,
    }
  const awake = workload.declared > 0
  const facts: Fact[] = [
    // Not their number: an autoscaler, where there is one, changes it while people decide.
    { name: 'awake', value: awake, binds: 'exactly' },
    { name: 'image', value: workload.image, binds: 'exactly' },
    // Not the secrets: who plans may not read them, who executes may, and a plan would look stale. Findings compare
    // them.
  ]
  return {
    kind: 'answering',
    state: {
      workload,
      secrets,
      ...(workload.controllers.length === 0 ? {} : { controllers: workload.controllers }),
      ...(workload.scaledBy === null ? {} : { scaledBy: workload.scaledBy }),
      ...(others.length === 0 ? {} : { others }),
      ...(canary === null ? {} : { canary }),
    },
    role: awake ? 'active' : 'passive',
    health: workload.settled ? 'healthy' : workload.ready > 0 ? 'degraded' : 'down',
    text: `${workload.ready}/${workload.declared} ready, ${workload.image.split('/').at(-1) ?? ''}`,
    facts,
  }
}

async function readableHashes(
  component: Application,
  site: SiteName,
  context: DriverContext,
): Promise<Record<string, string | null> | null> {
  try {
    return await secretHashes(component, site, context)
  } catch (error) {
    if (asStandbyError(error).code === 'kubernetes-forbidden') return null
    throw error
  }
}
