import { StandbyError } from '../errors.ts'
import type { Observation } from '../observation/observation.ts'
import { blockers } from '../planning/findings.ts'
import type { Finding } from '../planning/plan.ts'

/** The guard against the wrong target: no operation goes on when a kubeconfig leads to another cluster. */
export function refuseStrangers(observation: Observation): void {
  for (const [site, view] of Object.entries(observation.sites))
    if (view.kind === 'stranger')
      throw new StandbyError({
        code: 'wrong-cluster',
        mustAct: 'input',
        what: `the kubeconfig of ${site} leads to a cluster whose kube-system has the UID ${view.clusterId}, not the declared one`,
        where: site,
        next: 'Compare clusterId in the stack file with the kubeconfig. Nothing was changed.',
      })
}

/** Refuses with the first blocker's code, naming all of them. */
export function refuseBlockers(findings: readonly Finding[], what: string): void {
  const blocking = blockers(findings)
  const first = blocking[0]
  if (first === undefined) return
  throw new StandbyError({
    code: first.code,
    mustAct: 'site',
    what: `${what} is refused: ${blocking.map((finding) => finding.what).join('; ')}`,
    where: [first.site, first.component].filter((part) => part !== undefined).join(' '),
    next: first.next ?? 'Nothing was changed.',
  })
}
