import type { LivenessSignal } from '../../domain/liveness.ts'
import { UNSEEN } from '../../errors/unseen.ts'
import type { PlatformView } from '../platform.ts'

/** How it is said that a kubeconfig leads elsewhere. */
export const LEADS_ELSEWHERE = 'the kubeconfig leads to another cluster'

/**
 * What the view of an API server says of its site. One that answers is alive for itself alone: with no node that is
 * ready, nothing on its nodes has reported for most of a minute. Pure.
 */
export function clusterSignal(view: PlatformView): Pick<LivenessSignal, 'says' | 'what'> {
  if (view.kind === 'silent') {
    const { vote } = UNSEEN[view.cause]
    return { says: vote === 'none' ? 'unknown' : vote, what: `its API server: ${view.why}` }
  }
  if (view.kind === 'stranger') return { says: 'unknown', what: LEADS_ELSEWHERE }
  if (view.parts !== undefined && view.parts.total > 0 && view.parts.ready === 0)
    return {
      says: 'down',
      what: `its API server answers, and none of its ${view.parts.total} nodes is ready: what runs on them is dead, or cut off`,
    }
  return { says: 'up', what: `its API server answers (${view.version})` }
}
