import type { Site } from '../domain/stack.ts'
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
