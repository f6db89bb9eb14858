import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusReport } from '../src/evidence/reports.ts'
import type { PreparedStack } from './prepared-stack.ts'
import { runStandby } from './run-standby.ts'
import type { SiteName } from './topology.ts'

const GREEN_WITHIN = 300_000

/** What stands between two moves: waits until `standby status` is green, and returns it. */
export async function untilGreen(stack: PreparedStack, helm?: string): Promise<StatusReport> {
  const deadline = Date.now() + GREEN_WITHIN
  for (;;) {
    const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], { helm, quiet: true })
    if (result.verdict === 'green') return result
    if (Date.now() > deadline)
      throw new Error(
        `not green within 5 min: ${result.findings.map(({ code, what }) => `${code}: ${what}`).join('; ')}`,
      )
    await sleep(2_000)
  }
}

/** From where to where the next move goes. */
export function endsOf(status: StatusReport): { readonly from: SiteName; readonly to: SiteName } {
  return status.activeSite === 'dc-b' ? { from: 'dc-b', to: 'dc-a' } : { from: 'dc-a', to: 'dc-b' }
}
