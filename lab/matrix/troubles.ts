import { type Loss, loseSite, returnSite } from '../lose-site.ts'
import { runLab } from '../run-lab.ts'
import type { LabStack } from '../stacks.ts'
import type { HostName, SiteName } from '../topology.ts'
import type { Trouble } from './cases.ts'

/** Something that goes wrong in the lab, and that is over again. */
export interface RunningTrouble {
  /** When it began; milliseconds since 1970. */
  readonly at: number
  /** Troubles that begin in the middle of a move hear how far it is. */
  hear(line: string): void
  /** Ends it, and says when it was over; milliseconds since 1970. */
  end(): Promise<number>
}

type Say = (line: string) => void

/** The active site is gone until it is given back. */
export async function lose(stack: LabStack, site: SiteName, how: Loss, say: Say): Promise<RunningTrouble> {
  say(`${site}: ${how}`)
  const at = Date.now()
  await loseSite(stack, site, how)
  return { at, hear: () => undefined, end: () => returnSite(stack, site) }
}

/** What befalls a move while it runs; `slow` is the site whose link is narrow. A site that is lost is no passing trouble. */
export async function passing(trouble: Trouble, slow: SiteName, say: Say): Promise<RunningTrouble> {
  if (trouble === 's3-gone') return goneForAWhile('s3', say)
  if (trouble === 'balancer-gone') return goneForAWhile('lb-2', say)
  const at = Date.now()
  if (trouble !== 'slow-wan') return { at, hear: () => undefined, end: async () => Date.now() }
  say(`the link of ${slow} is narrow`)
  await runLab('outage', slow, '--how', 'slow')
  return { at, hear: () => undefined, end: () => runLab('heal', slow).then(() => Date.now()) }
}

/** Gone in the middle of the move: from its first phase on that changes a site. */
function goneForAWhile(host: HostName, say: Say): RunningTrouble {
  const at = Date.now()
  let over: Promise<void> | null = null
  return {
    at,
    hear(line) {
      if (over !== null || !/^(DRAIN|FENCE) /.test(line)) return
      say(`${host} is gone for ${GONE_FOR / 1000} s`)
      over = runLab('outage', host, '--how', 'cut')
        .then(() => new Promise<void>((done) => setTimeout(done, GONE_FOR)))
        .then(() => runLab('heal', host))
    },
    end: async () => {
      await over
      return Date.now()
    },
  }
}
const GONE_FOR = 15_000
