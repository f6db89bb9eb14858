import { spawnSync } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { digestOf } from '../../src/planning/plan-digest.ts'
import { planMove } from '../../src/planning/plan-move.ts'
import { parseStack } from '../../src/stack/load-stack.ts'
import { median } from '../../src/values/percentile.ts'
import { generateStack } from '../../test/support/generate-stack.ts'

const dist = join(resolve(import.meta.dirname, '..', '..'), 'dist')
const TIMES = 15
const usual = (values: readonly number[]): string => median(values).toFixed(0)

/** Size and start of the bundle, and how long planning takes: no lab is needed. */
export async function programFigures(): Promise<string[]> {
  return [await bundle(), planning()]
}

async function bundle(): Promise<string> {
  const sizes = await Promise.all((await readdir(dist)).map(async (name) => (await stat(join(dist, name))).size))
  const starts = Array.from({ length: TIMES }, () => {
    const begun = performance.now()
    spawnSync(process.execPath, [join(dist, 'cli.js'), '--version'])
    return performance.now() - begun
  })
  const megabytes = (sizes.reduce((sum, size) => sum + size, 0) / 1e6).toFixed(2)
  return `bundle: ${megabytes} MB in all; first line of output after ${usual(starts)} ms (median of ${TIMES})`
}

/**
 * From the text of the stack file to the digest of the plan; what the sites say comes in as values, so no network is in
 * it.
 */
function planning(): string {
  const text = generateStack({ components: 50, sites: 3 })
  const runs = Array.from({ length: TIMES }, () => {
    const begun = performance.now()
    const stack = parseStack(text, 'standby.yaml', { drivers, witnesses })
    const [from, to] = stack.sites.map((site) => site.name)
    if (from === undefined || to === undefined) throw new Error('the generated stack has too few sites')
    const seen = {
      at: '2026-01-01T00:00:00.000Z',
      witness: { kind: 'silent', why: 'not asked' },
      sites: {},
      components: {},
    } as const
    const plan = planMove(stack, seen, { mode: 'switchover', from, to }, drivers, {
      id: 'bench',
      nonce: '0',
      toolVersion: '0',
    })
    digestOf(plan)
    return { ms: performance.now() - begun, steps: plan.steps.length }
  })
  const [first] = runs
  return `plan: 50 components on 3 sites, ${first?.steps} steps: first ${first?.ms.toFixed(0)} ms, then ${usual(runs.map(({ ms }) => ms))} ms (median of ${TIMES})`
}
