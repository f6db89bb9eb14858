import { until } from '../../lab/until.ts'

/**
 * Waits until it holds, a minute where the test says nothing else (milliseconds); fails with what was waited for. What
 * throws meanwhile throws.
 */
export async function eventually(what: string, holds: () => Promise<boolean>, within = 60_000): Promise<void> {
  await until(what, { deadline: within, every: Math.min(1_000, within / 200) }, holds)
}
