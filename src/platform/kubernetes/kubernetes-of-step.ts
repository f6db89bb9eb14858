import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import type { SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { KUBERNETES } from './key.ts'

/** What of a running step says where it acts. */
export interface ActingStep {
  readonly step: { readonly id: string }
  readonly site: SiteName | null
}

/** The site on which a step acts. A step that must have one and has none is a defect of its plan. */
export function siteOf({ step, site }: ActingStep): SiteName {
  if (site === null) throw new Error(`${step.id} names no site`)
  return site
}

/** The Kubernetes cluster of that site. */
export const kubernetesOf = (
  run: ActingStep & { readonly context: Pick<DriverContext, 'platform'> },
): KubernetesClient => run.context.platform(KUBERNETES, siteOf(run))
