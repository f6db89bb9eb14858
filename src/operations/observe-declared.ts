import type { World } from '../composition/connect.ts'
import { inputError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { platformViewsOf } from '../observation/site-view.ts'

/**
 * What is true now, of the declared platforms. The guard against the wrong target: throws `wrong-cluster`, or the code
 * of another platform, when what answers is not what the stack file names.
 */
export async function observeDeclared(world: Pick<World, 'observe' | 'stack'>): Promise<Observation> {
  const observation = await world.observe()
  for (const site of world.stack.sites)
    for (const { platform, view } of platformViewsOf(site, observation))
      if (view.kind === 'stranger') {
        const { code, what, compare } = platform.stranger(site.name, view.identity)
        throw inputError(code, what, { where: site.name, next: `${compare}. Nothing was changed.` })
      }
  return observation
}
