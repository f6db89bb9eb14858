import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusReport } from '../src/evidence/reports.ts'
import type { PreparedStack } from './prepared-stack.ts'
import { runStandby } from './run-standby.ts'
import type { SiteName } from './topology.ts'

const GREEN_WITHIN = 300_000

/** What stands between two moves: waits until `standby status` is green, says what it waits for, and returns it. */
export async function untilGreen(stack: PreparedStack, helm?: string): Promise<StatusReport> {
  const deadline = Date.now() + GREEN_WITHIN
  for (let said = ''; ; await sleep(500)) {
    const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], { helm, quiet: true })
    if (result.verdict === 'green') return result
    const why = result.findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ code, site, what }) => `${code}${site === undefined ? '' : `@${site}`}: ${what}`)
    if (Date.now() > deadline) throw new Error(`not green within 5 min: ${why.join('; ')}`)
    if (why.join() !== said) process.stdout.write(why.map((line) => `  not green yet: ${line}\n`).join(''))
    said = why.join()
  }
}

/** From where to where the next move goes. */
export function endsOf(status: StatusReport): { readonly from: SiteName; readonly to: SiteName } {
  return status.activeSite === 'dc-b' ? { from: 'dc-b', to: 'dc-a' } : { from: 'dc-a', to: 'dc-b' }
}
