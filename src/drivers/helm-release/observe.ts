import type { Fact } from '../../domain/fact.ts'
import type { Observed } from '../../domain/observed.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { OtherController } from '../../platform/kubernetes/field-managers.ts'
import { KUBERNETES } from '../../platform/kubernetes/key.ts'
import { unlessForbidden } from '../../platform/kubernetes/unless-forbidden.ts'
import type { CanarySeen } from '../../systems/application/canary-seen.ts'
import { seeCanary } from './canary-seen.ts'
import { secretHashes } from './must-match.ts'
import { othersOf } from './others.ts'
import type { Application } from './spec.ts'
import { readWorkload, type WorkloadView } from './workload.ts'

export interface HelmReleaseState {
  readonly workload: WorkloadView
  /** Other controllers that manage the workload. Absent: none is seen. */
  readonly controllers?: readonly OtherController[]
  /** The manager that set its size last, other than Standby. Absent: none is seen. */
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
  site: SiteName,
  context: DriverContext,
): Promise<Observed<HelmReleaseState>> {
  const found = readWorkload(context.platform(KUBERNETES, site), component, context.signal)
  const [workload, secrets, others, canary] = await Promise.all([
    found,
    unlessForbidden(
      () => secretHashes(component, site, context),
      () => null,
    ),
    othersOf(context.platform(KUBERNETES, site), component, context.signal),
    found.then((view) => (view === null ? null : seeCanary(component, site, view.declared > 0, context))),
  ])
  if (workload === null)
    return {
      kind: 'absent',
      why: `there is no ${component.spec.workload.kind} ${component.spec.namespace}/${component.spec.workload.name}`,
    }
  const awake = workload.declared > 0
  const facts: Fact[] = [
    // Without the number of replicas: an autoscaler may change it while people decide.
    { name: 'awake', value: awake, binds: 'exactly' },
    { name: 'image', value: workload.image, binds: 'exactly' },
    // Without the secrets: the identity that plans may not read them, and the one that executes may, so a plan would
    // look stale. Findings compare them.
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
    health: healthOf(workload),
    text: `${workload.ready}/${workload.declared} ready, ${workload.image.split('/').at(-1) ?? ''}`,
    facts,
  }
}

function healthOf({ settled, ready }: WorkloadView): 'healthy' | 'degraded' | 'down' {
  if (settled) return 'healthy'
  return ready > 0 ? 'degraded' : 'down'
}
