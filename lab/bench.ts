import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { drivers, witnesses } from '../src/drivers/registry.ts'
import { readableDuration } from '../src/duration.ts'
import type { StatusReport } from '../src/operations/reports.ts'
import { digestOf } from '../src/planning/plan-digest.ts'
import { planMove } from '../src/planning/plan-move.ts'
import { parseStack } from '../src/stack/load-stack.ts'
import { generateStack } from '../test/support/generate-stack.ts'
import { ensureCanary } from './canary.ts'
import { readLabEnvironment } from './environment.ts'
import { longestGap } from './ledger/judge-ledger.ts'
import { startLedgerProcess } from './ledger/ledger-process.ts'
import { reviewedMove } from './reviewed-move.ts'
import { runStandby } from './run-standby.ts'
import { checkpointBoth, guidedSwitchover, scriptedSwitchover } from './scripted-switchover.ts'
import { type LabStack, prepareStack } from './stacks.ts'
import type { SiteName } from './topology.ts'

/** Measures, in one run and side by side, what docs/benchmarks.md states: `npm run bench -- --rounds 3`. */
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } })
const dist = join(resolve(import.meta.dirname, '..'), 'dist')

interface Sample {
  readonly gapMs: number
  readonly greenMs: number
}

async function bench(): Promise<void> {
  bundleFigures(await sizeOf(dist))
  planFigures()
  const lab = await readLabEnvironment()
  const stack = await prepareStack('infisical-kubernetes', lab, new AbortController().signal)
  const deployed = await runStandby(stack, 'deployer', ['deploy'], { helm: lab.programs.helm })
  if (deployed.code !== 0) throw new Error('the stack could not be deployed')
  const credentials = await ensureCanary(stack)
  const file = join(await mkdtemp(join(tmpdir(), 'standby-bench-')), 'ledger.jsonl')
  const ledger = await startLedgerProcess({ addresses: stack.addresses, credentials, intervalMs: 50, file })
  const githubUrl = lab.githubUrl ?? ''
  const ways: Record<string, (ends: { from: SiteName; to: SiteName }) => Promise<number>> = {
    'standby failover': async ({ to }) => {
      const { executed } = await reviewedMove(stack, { to }, { githubUrl, helm: lab.programs.helm })
      if (executed.verdict !== 'moved') throw new Error(`the move ${executed.verdict}: ${executed.failure?.what ?? ''}`)
      const traffic = executed.phases.find((phase) => phase.phase === 'TRAFFIC')
      const drain = executed.phases.find((phase) => phase.phase === 'DRAIN')
      return Date.parse(traffic?.endedAt ?? '') - Date.parse(drain?.begunAt ?? '')
    },
    'smallest script': async (ends) => (await scriptedSwitchover(stack, lab, ends)).greenMs,
    "guide's procedure": async (ends) => (await guidedSwitchover(lab, ends)).greenMs,
  }
  const samples = new Map<string, Sample[]>(Object.keys(ways).map((name) => [name, []]))
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [name, move] of Object.entries(ways)) {
      const ends = await endsNow(stack, lab.programs.helm)
      const from = Date.now()
      const greenMs = await move(ends)
      const gap = longestGap(await ledger.entries(), { from, to: Date.now() })
      samples.get(name)?.push({ gapMs: gap?.durationMs ?? Number.NaN, greenMs })
      process.stderr.write(`${name}: gap ${readableDuration(gap?.durationMs ?? 0)}, green ${readableDuration(greenMs)}\n`)
      await caughtUp(stack, ends, lab.programs.helm, name)
    }
  await ledger.stop()
  report(samples)
}

/** The yardsticks know no witness: it is told afterwards, as the operator of a script would have to, by a move's own record. */
async function caughtUp(stack: LabStack, ends: { from: SiteName; to: SiteName }, helm: string, name: string): Promise<void> {
  if (name !== 'standby failover') await import('./witness.ts').then(({ tellWitness }) => tellWitness(stack, ends.to))
  const deadline = Date.now() + 180_000
  for (;;) {
    const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], { helm, quiet: true })
    const blocked = result.findings.filter(
      (finding) => finding.severity !== 'info' && !['image-differs', 'no-backup', 'application-not-ready'].includes(finding.code),
    )
    if (blocked.length === 0) return
    if (Date.now() > deadline)
      throw new Error(`after ${name} the status is not green within 3 min: ${blocked.map((finding) => finding.what).join('; ')}`)
    if (name !== 'standby failover') await checkpointBoth(stack)
    await new Promise((done) => setTimeout(done, 2_000))
  }
}

async function endsNow(stack: LabStack, helm: string): Promise<{ from: SiteName; to: SiteName }> {
  const { result } = await runStandby<StatusReport>(stack, 'observer', ['status'], { helm, quiet: true })
  const from = (result.activeSite ?? 'dc-a') as SiteName
  return { from, to: from === 'dc-a' ? 'dc-b' : 'dc-a' }
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN

function report(samples: ReadonlyMap<string, readonly Sample[]>): void {
  console.log('\nplanned switchover, median of', values.rounds, 'rounds (client write gap, time to all green):')
  for (const [name, list] of samples) {
    const show = (pick: (sample: Sample) => number): string =>
      `${readableDuration(median(list.map(pick)))} (${list.map((sample) => (pick(sample) / 1000).toFixed(1)).join(', ')})`
    console.log(`  ${name.padEnd(18)} gap ${show((sample) => sample.gapMs)}   green ${show((sample) => sample.greenMs)}`)
  }
  const gapOf = (name: string): number => median((samples.get(name) ?? []).map((sample) => sample.gapMs))
  console.log(`switchover ratio ${(gapOf('standby failover') / gapOf('smallest script')).toFixed(2)}  (standby over the smallest script)`)
  console.log(
    `switchover ratio ${(gapOf('standby failover') / gapOf("guide's procedure")).toFixed(2)}  (standby over the guide's procedure)`,
  )
}

async function sizeOf(folder: string): Promise<number> {
  const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** From the text of the stack file to the digest of the plan; what the sites say comes in as values, so no network is in it. */
function planFigures(): void {
  const text = generateStack({ components: 50, sites: 3 })
  const times = Array.from({ length: 15 }, () => {
    const begun = performance.now()
    const stack = parseStack(text, 'standby.yaml', { drivers, witnesses })
    const at = '2026-01-01T00:00:00.000Z'
    const [from, to] = stack.sites.map((site) => site.name)
    if (from === undefined || to === undefined) throw new Error('the generated stack has too few sites')
    const intent = { mode: 'switchover', from, to } as const
    const seen = { at, witness: { kind: 'silent', why: 'not asked' }, sites: {}, components: {} } as const
    const plan = planMove(stack, seen, intent, drivers, { id: 'bench', nonce: '0', toolVersion: '0' })
    digestOf(plan)
    return { ms: performance.now() - begun, steps: plan.steps.length }
  })
  console.log(
    `plan: 50 components on 3 sites, ${times[0]?.steps} steps: first ${times[0]?.ms.toFixed(0)} ms, then ${median(times.map((one) => one.ms)).toFixed(0)} ms (median of 15)`,
  )
}

function bundleFigures(bytes: number): void {
  const starts = Array.from({ length: 15 }, () => {
    const begun = performance.now()
    spawnSync(process.execPath, [join(dist, 'cli.js'), '--version'])
    return performance.now() - begun
  })
  console.log(`bundle: ${(bytes / 1e6).toFixed(2)} MB in all; first line of output after ${median(starts).toFixed(0)} ms (median of 15)`)
}

bench().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  },
)
