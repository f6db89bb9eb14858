import type { World } from '../composition/connect.ts'
import { inputError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'

/**
 * What is true now, of the declared clusters. The guard against the wrong target: throws `wrong-cluster` when a
 * kubeconfig leads to another one.
 */
export async function observeDeclared(world: Pick<World, 'observe'>): Promise<Observation> {
  const observation = await world.observe()
  for (const [site, view] of Object.entries(observation.sites))
    if (view.kind === 'stranger')
      throw inputError(
        'wrong-cluster',
        `the kubeconfig of ${site} leads to a cluster whose kube-system has the UID ${view.clusterId}, not the declared one`,
        { where: site, next: 'Compare clusterId in the stack file with the kubeconfig. Nothing was changed.' },
      )
  return observation
}
