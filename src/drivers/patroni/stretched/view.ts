import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { seconds } from '../../../values/duration.ts'
import { isObject } from '../../../values/json.ts'
import { storeOf } from '../dcs/open-store.ts'
import type { StoreView } from '../dcs/store.ts'
import { type Database, siteOfMember } from '../spec.ts'

/** What one site sees of the lock and of the store of a cluster over all sites. */
export interface StretchedView {
  /** By a read that the majority of the store has confirmed; null: no member holds it, or the store is silent. */
  readonly lock: {
    readonly holder: string
    /** Null: no site declares it. */
    readonly site: string | null
  } | null
  /** ISO 8601: when the holder was promoted; null: not known. */
  readonly since: string | null
  /** The servers that vote in the store, by site; `elsewhere`: at no declared address. Null: not known. */
  readonly voters: Readonly<Record<string, number>> | null
  readonly synchronous: 'off' | 'on' | 'quorum'
}

/** A site is not silent because its store is slow to list its servers. */
const VOTERS = seconds(1)

/** The servers that vote in the store, by their addresses; null where the store does not say. */
export async function readVoters(
  component: Database,
  site: SiteName,
  context: DriverContext,
): Promise<readonly string[] | null> {
  const { signal } = context
  try {
    const store = storeOf(component, site, context, { reach: { site }, deadline: VOTERS, signal })
    return (await store.voters?.()) ?? null
  } catch {
    return null
  }
}

/** The view of one site, from what its store and the list of voters say. Pure. */
export function stretchedView(
  component: Database,
  store: ({ readonly is: 'answering' } & StoreView) | { readonly is: 'silent' },
  voters: readonly string[] | null,
): StretchedView {
  const holder = store.is === 'answering' ? store.leader : null
  const config = store.is === 'answering' ? store.config?.value : null
  return {
    lock: holder === null ? null : { holder, site: siteOfMember(component, holder) },
    since: (store.is === 'answering' ? store.promotedAt : undefined) ?? null,
    voters: voters === null ? null : bySite(component, voters),
    synchronous: synchronousIn(isObject(config) ? config.synchronous_mode : null),
  }
}

function synchronousIn(mode: unknown): StretchedView['synchronous'] {
  if (mode === 'quorum') return 'quorum'
  return mode === true || mode === 'on' ? 'on' : 'off'
}

function bySite({ spec }: Database, voters: readonly string[]): Record<string, number> {
  const places = voters.map((voter) => {
    const own = Object.entries(spec.store.endpoints).find(([, urls]) => urls.some((url) => isSame(url, voter)))
    return own?.[0] ?? 'elsewhere'
  })
  return Object.fromEntries(
    [...new Set(places)].sort().map((place) => [place, places.filter((one) => one === place).length]),
  )
}

const isSame = (one: string, other: string): boolean => one.replace(/\/$/, '') === other.replace(/\/$/, '')

/** `lock pg-b1 (dc-b), store dc-a 1 dc-b 1 dc-c 1, synchronous on`. Pure. */
export function stretchedText({ lock, voters, synchronous }: StretchedView): string {
  const held = lock === null ? 'lock not seen' : `lock ${lock.holder}${lock.site === null ? '' : ` (${lock.site})`}`
  const store =
    voters === null
      ? ''
      : `, store ${Object.entries(voters)
          .map(([site, count]) => `${site} ${count}`)
          .join(' ')}`
  return `${held}${store}, synchronous ${synchronous}`
}
