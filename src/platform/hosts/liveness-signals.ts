import type { LivenessSignal } from '../../domain/liveness.ts'
import { UNSEEN } from '../../errors/unseen.ts'
import type { PlatformView } from '../platform.ts'

export const ANOTHER_HOST = 'another host than the declared one answers'

/** What the view of its hosts says of a site: one that answers by ssh is a sign of life. Pure. */
export function hostsSignal(view: PlatformView): Pick<LivenessSignal, 'says' | 'what'> {
  if (view.kind === 'silent') {
    const { vote } = UNSEEN[view.cause]
    return { says: vote === 'none' ? 'unknown' : vote, what: `its hosts: ${view.why}` }
  }
  if (view.kind === 'stranger') return { says: 'unknown', what: ANOTHER_HOST }
  const { ready, total } = view.parts ?? { ready: 1, total: 1 }
  return {
    says: 'up',
    what: `${ready} of its ${total} hosts ${ready === 1 ? 'answers' : 'answer'} by ssh (${view.version})`,
  }
}
