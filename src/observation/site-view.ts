import type { Component, Site } from '../domain/stack.ts'
import { standsOn } from '../driver/ask.ts'
import type { Driver } from '../driver/capabilities.ts'
import { leastDead } from '../platform/least-dead.ts'
import type { AnsweringView, Platform, PlatformView } from '../platform/platform.ts'
import { platformsOf } from '../platform/registry.ts'
import type { Observation, SiteView } from './observation.ts'

/** The view of a site out of those of its platforms, by name. A site of one platform is seen as that. Pure. */
export function siteViewOf(views: Readonly<Record<string, PlatformView>>): SiteView {
  const all = Object.values(views)
  const [only] = all
  if (only !== undefined && all.length === 1) return only
  return { ...summaryOf(views), platforms: views }
}

/** Of several: one that is not the declared one makes the site a stranger; one that answers makes it answer. */
function summaryOf(views: Readonly<Record<string, PlatformView>>): PlatformView {
  const all = Object.values(views)
  const stranger = all.find((view) => view.kind === 'stranger')
  if (stranger !== undefined) return stranger
  const answering = all.filter((view): view is AnsweringView => view.kind === 'answering')
  if (answering.length > 0)
    return {
      kind: 'answering',
      identity: answering.map(({ identity }) => identity).join(', '),
      version: answering.map(({ version }) => version).join(', '),
      latency: Math.max(...answering.map(({ latency }) => latency)),
    }
  const silent = all.filter((view): view is SilentView => view.kind === 'silent')
  return {
    kind: 'silent',
    cause: leastDead(silent.map(({ cause }) => cause)),
    why: Object.entries(views)
      .map(([name, view]) => `${name}: ${view.kind === 'silent' ? view.why : view.kind}`)
      .join('; '),
    triedFrom: [...new Set(silent.flatMap(({ triedFrom }) => triedFrom))],
  }
}
type SilentView = Extract<PlatformView, { readonly kind: 'silent' }>

/** What was seen of each platform of a site; empty where nothing was looked at. Pure. */
export function platformViewsOf(
  site: Site,
  { sites }: Pick<Observation, 'sites'>,
): { readonly platform: Platform; readonly view: PlatformView }[] {
  const seen = sites[site.name]
  if (seen === undefined) return []
  return platformsOf(site).flatMap((platform) => {
    const view = viewOf(seen, platform.name)
    return view === undefined ? [] : [{ platform, view }]
  })
}

/**
 * What was seen of the platform that a component stands on; undefined for one that stands outside, and
 * where nothing was looked at. Pure.
 */
export function viewUnder(
  driver: Driver | undefined,
  component: Component,
  site: string,
  { sites }: Pick<Observation, 'sites'>,
): PlatformView | undefined {
  const [name, seen] = [driver === undefined ? null : standsOn(driver, component), sites[site]]
  return name === null || seen === undefined ? undefined : viewOf(seen, name)
}

const viewOf = (seen: SiteView, platform: string): PlatformView | undefined =>
  seen.platforms === undefined ? seen : seen.platforms[platform]
