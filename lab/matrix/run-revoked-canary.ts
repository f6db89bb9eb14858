import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PlanReport, StatusReport } from '../../src/evidence/reports.ts'
import { deployedStack } from '../deployed-stack.ts'
import { execute } from '../execute.ts'
import { startLedgerProcess } from '../ledger/ledger-process.ts'
import { runStandby } from '../run-standby.ts'
import { labStacks } from '../stacks.ts'
import { until } from '../until.ts'
import { endsOf, untilGreen } from '../until-green.ts'

/** The name of this story among the troubles of the matrix. */
export const CANARY_REVOKED = 'canary-revoked'
/** A client that writes every 50 ms and waits longer than that was not served. */
const LONGEST_WAIT = 2_000

/**
 * The client secret of the canary is revoked in the application while a client writes: `status` says so at its next
 * look, a plan is refused before anything is changed, no write is refused meanwhile; once it is allowed again,
 * everything is green. Exit code 0 only then.
 */
export async function runRevokedCanary(): Promise<number> {
  const { lab, stack, credentials } = await deployedStack()
  const { helm, kubectl } = lab.programs
  const { from, to } = endsOf(await untilGreen(stack, helm))
  const site = lab.sites.find(({ name }) => name === from)
  if (site === undefined) throw new Error(`the lab has no site ${from}`)
  const file = join(await mkdtemp(join(tmpdir(), 'standby-case-')), 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  const { namespace } = labStacks[stack.name]
  const kubectlHere = (...args: string[]) =>
    execute(kubectl, [`--kubeconfig=${site.kubeconfig}`, '-n', namespace, ...args], { deadline: 20_000 })
  const setRevoked = async (revoked: boolean): Promise<void> => {
    const primary = (await kubectlHere('get', 'pod', '-l', 'cnpg.io/instanceRole=primary', '-o', 'name')).trim()
    const sql = `UPDATE identity_ua_client_secrets SET "isClientSecretRevoked" = ${revoked}`
    await kubectlHere('exec', primary, '-c', 'postgres', '--', 'psql', '-XAtqc', sql, 'infisical')
  }
  const failures: string[] = []
  const must = (holds: boolean, what: string): void => void (holds || failures.push(what))
  await pause(2_000)
  await setRevoked(true)
  const revokedAt = Date.now()
  let [sawAfter, planTook] = [0, 0]
  try {
    const status = await runStandby<StatusReport>(stack, 'observer', ['status'], { helm, quiet: true })
    sawAfter = Date.now() - revokedAt
    const finding = status.result.findings.find(({ code }) => code === 'canary-fails')
    must(finding?.site === from, `status does not say canary-fails of ${from}: ${codesOf(status.result.findings)}`)
    must(status.result.verdict !== 'green', 'status is green')
    const plan = join(await mkdtemp(join(tmpdir(), 'standby-case-')), 'plan.json')
    const planned = await runStandby<PlanReport>(stack, 'observer', ['failover', 'plan', '--to', to, '--out', plan], {
      helm,
      quiet: true,
    })
    planTook = planned.durationMs
    const blocker = planned.result.plan.findings.find(({ code }) => code === 'canary-fails')
    must(
      blocker?.severity === 'blocker',
      `the plan has no blocker canary-fails: ${codesOf(planned.result.plan.findings)}`,
    )
    must(
      planned.code === 3 && !planned.result.executable,
      `the plan ended with ${planned.code}, executable: ${planned.result.executable}`,
    )
  } finally {
    await setRevoked(false)
  }
  await until('status to be green again', { deadline: 60_000, every: 1_000 }, async () => {
    const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], { helm, quiet: true })
    return result.verdict === 'green'
  })
  await ledger.stop()
  const acknowledged = (await ledger.entries())
    .filter(({ outcome }) => outcome === 'acknowledged')
    .map(({ endedAt }) => endedAt)
  const waits = acknowledged.slice(1).map((at, index) => at - (acknowledged[index] ?? at))
  const longest = Math.max(0, ...waits)
  must(acknowledged.length > 0 && longest <= LONGEST_WAIT, `users waited ${longest} ms`)
  const load = loadavg().map((one) => one.toFixed(1))
  process.stdout.write(
    `${failures.length === 0 ? 'kept  ' : 'BROKEN'}  ${CANARY_REVOKED}: seen by status ${sawAfter} ms after it was revoked, the plan was refused in ${Math.round(planTook)} ms, ${acknowledged.length} writes, the longest wait ${longest} ms; load ${load.join(' ')}${failures.map((one) => `; ${one}`).join('')}\n`,
  )
  return failures.length === 0 ? 0 : 1
}

const codesOf = (findings: readonly { readonly code: string }[]): string =>
  findings.map(({ code }) => code).join(', ') || 'nothing'
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
