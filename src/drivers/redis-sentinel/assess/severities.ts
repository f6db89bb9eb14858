import type { Finding } from '../../../domain/plan.ts'

/** What is asked of a site: nothing but its state, or what a move needs of it. */
export type Purpose = 'status' | 'third' | 'source' | 'target' | 'taking-over' | 'active' | 'coming-back'

const ANY_END = ['sentinel-redis-silent', 'sentinel-failover-runs', 'sentinel-two-masters', 'sentinel-refused']
const BLOCKING: Readonly<Record<Exclude<Purpose, 'status' | 'third'>, ReadonlySet<string>>> = {
  source: new Set([...ANY_END, 'sentinel-no-master', 'sentinel-left-closed', 'sentinel-cannot-close']),
  target: new Set([
    ...ANY_END,
    'sentinel-silent',
    'sentinel-names-another',
    'sentinel-no-quorum',
    'sentinel-no-good-replica',
    'sentinel-replica-unknown',
    'sentinel-link-down',
    'sentinel-follows-another',
    'sentinel-history-differs',
    'sentinel-too-far-behind',
    'sentinel-passive-master',
  ]),
  'taking-over': new Set([...ANY_END, 'sentinel-takes-back', 'sentinel-no-good-replica']),
  active: new Set([...ANY_END, 'sentinel-no-master']),
  'coming-back': new Set(['sentinel-redis-silent', 'sentinel-failover-runs', 'sentinel-cannot-close']),
}
/** What is worth knowing, and hurts nothing as it stands. */
const MINOR = new Set(['sentinel-active-may-not-win', 'sentinel-versions-differ', 'sentinel-persistence-differs'])

export function severityOf(code: string, purpose: Purpose): Finding['severity'] {
  if (purpose !== 'status' && purpose !== 'third' && BLOCKING[purpose].has(code)) return 'blocker'
  return MINOR.has(code) ? 'info' : 'warning'
}
