import type { KubernetesClient } from '../clients/kubernetes-client.ts'
import type { SiteName } from '../domain/stack.ts'
import type { FlatRun } from './flat/behaviour.ts'

/** The site at which a step acts; a step of no site is a defect of its plan. */
export function siteOf<Spec>({ step }: FlatRun<Spec>): SiteName {
  if (step.site === null) throw new Error(`${step.id} names no site`)
  return step.site
}

/** The Kubernetes cluster of that site. */
export const kubernetesOf = <Spec>(run: FlatRun<Spec>): KubernetesClient => run.context.kubernetes(siteOf(run))
