import type { Finding, Intent } from '../../../domain/plan.ts'
import type { codes } from '../codes.ts'
import type { Federation } from '../spec.ts'
import { leadersOf } from '../traffic/load-balancers.ts'

type Code = keyof typeof codes.table

/** What keeps a move from flipping what leads users; where nothing is flipped, a move does not need Consul itself. */
const BLOCKING: ReadonlySet<Code> = new Set<Code>([
  'consul-no-leader',
  'consul-other-datacenter',
  'consul-other-primary',
])
/** What is worth knowing, and hurts nothing as it stands. */
const MINOR: ReadonlySet<Code> = new Set<Code>(['consul-no-tolerance'])

/** How much a trouble of a site matters for a move, or (null) for status. Pure. */
export function severityOf(
  component: Federation,
  code: Code,
  site: string,
  intent: Intent | null,
): Finding['severity'] {
  const isLost = intent?.mode === 'failover' && intent.from === site
  const isFlipped = leadersOf(component).some((one) => one.site === site)
  if (intent !== null && !isLost && isFlipped && BLOCKING.has(code)) return 'blocker'
  return MINOR.has(code) ? 'info' : 'warning'
}
