import type { Finding } from '../../../domain/plan.ts'

/** What a site is looked at for. `target`: it takes over in a failover. `source-of-clone`: a rejoin copies from it. */
export type Purpose = 'status' | 'switchover' | 'target' | 'source-of-clone' | 'third'

/**
 * What stands in the way of a move; all else is a warning. A failover is held up by what would keep the site that takes
 * over from being promoted, and by no more: it is an emergency.
 */
const BLOCKING: Readonly<Record<Exclude<Purpose, 'status' | 'third'>, ReadonlySet<string>>> = {
  switchover: new Set([
    'patroni-silent',
    'patroni-another-member',
    'patroni-store-silent',
    'patroni-config-missing',
    'patroni-switchover-scheduled',
    'patroni-split',
    'patroni-passive-writable',
    'patroni-active-standby',
    'patroni-unlocked',
    'patroni-follows-another',
    'patroni-not-streaming',
    'patroni-slot-missing',
    'patroni-paused',
    'patroni-failsafe',
    'patroni-too-old',
    'patroni-replay-paused',
    'patroni-timeline-unknown',
    'patroni-sync-alone',
    'patroni-another-database',
    'patroni-versions-differ',
    'patroni-history-forked',
    'patroni-too-far-behind',
    'archiving-failing',
    'archive-forked',
    'patroni-stanza-missing',
    'patroni-lock-elsewhere',
  ]),
  target: new Set([
    'patroni-silent',
    'patroni-another-member',
    'patroni-store-silent',
    'patroni-config-missing',
    'patroni-split',
    'patroni-passive-writable',
    'patroni-unlocked',
    'patroni-follows-another',
    'patroni-paused',
    'patroni-replay-paused',
    'patroni-sync-alone',
    'patroni-another-database',
    'patroni-moves-by-itself',
  ]),
  'source-of-clone': new Set([
    'patroni-silent',
    'patroni-another-member',
    'patroni-split',
    'patroni-active-standby',
    'patroni-unlocked',
    'patroni-slot-missing',
    'patroni-paused',
  ]),
}

/** What is worth knowing, and hurts nothing as it stands. */
const MINOR = new Set(['patroni-rewind-off', 'patroni-asynchronous'])

export function blocks(code: string, purpose: Purpose): Finding['severity'] {
  if (purpose !== 'status' && purpose !== 'third' && BLOCKING[purpose].has(code)) return 'blocker'
  return MINOR.has(code) ? 'info' : 'warning'
}
