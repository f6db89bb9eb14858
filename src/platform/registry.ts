import type { Site } from '../domain/stack.ts'
import type { Driver } from '../driver/driver.ts'
import { hostsPlatform } from './hosts/platform.ts'
import { kubernetesPlatform } from './kubernetes/platform.ts'
import type { Platform } from './platform.ts'

/** Every kind of platform, by name: the one place that names them for the core. */
export const platforms: Readonly<Record<string, Platform>> = Object.fromEntries(
  [kubernetesPlatform, hostsPlatform].map((platform) => [platform.name, platform]),
)

/** What a site consists of, in a fixed order. */
export const platformsOf = (site: Site): Platform[] =>
  Object.values(platforms).filter(({ name }) => Object.hasOwn(site.platforms, name))

/**
 * The platform whose silence is a component's own; null for one that stands outside of all of them, such as an object
 * store. A driver that says nothing stands on a cluster.
 */
export const standsOn = ({ outside, standsOn: named }: Pick<Driver, 'outside' | 'standsOn'>): string | null =>
  outside === true ? null : (named ?? kubernetesPlatform.name)
