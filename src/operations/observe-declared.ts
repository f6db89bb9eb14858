import type { World } from '../composition/connect.ts'
import { inputError } from '../errors/standby-error.ts'
import type { Observation } from '../observation/observation.ts'
import { platformViewsOf } from '../observation/site-view.ts'

/**
 * The current state of the declared platforms. Protects against the wrong target: throws `wrong-cluster`, or the code
 * of another platform, when the platform that answers is not the declared one.
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
