import { oneOf } from './one-of.ts'
import type { Wishes } from './stacks.ts'

/** How a database archives and follows, as a command line asks for it. */
export const ARCHIVE_OPTIONS = {
  archive: { type: 'string' },
  follow: { type: 'string' },
  'wal-segments': { type: 'string' },
} as const

/** Nothing, where nothing is asked for; throws on what no stack offers. Pure. */
export function archiveWishes(
  values: { readonly [Option in keyof typeof ARCHIVE_OPTIONS]?: string },
): Pick<Wishes, 'archive' | 'follow' | 'walSegments'> {
  const archive = oneOf('archive', values.archive, ['plugin', 'in-tree'])
  const follow = oneOf('follow', values.follow, ['archive', 'archive-and-streaming'])
  const segments = oneOf('wal-segments', values['wal-segments'], ['1', '16', '64', '256'])
  return {
    ...(archive === undefined ? {} : { archive }),
    ...(follow === undefined ? {} : { follow }),
    ...(segments === undefined ? {} : { walSegments: Number(segments) }),
  }
}
