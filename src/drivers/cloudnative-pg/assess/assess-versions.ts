import type { Finding } from '../../../domain/plan.ts'
import type { Say } from '../codes.ts'
import type { CloudNativePgState } from '../observe.ts'

/** Before 1.26 there are no archive plugins, and Barman that it would accept. */
const OLDEST_OPERATOR = [1, 26, 0] as const
/**
 * From these on a demotion token is not wiped in the middle of a move (#11075), and a failed bootstrap says so
 * (#11035).
 */
const GOOD_OPERATORS = [
  [1, 28, 4],
  [1, 29, 2],
  [1, 30, 0],
] as const
/** Older ones restored WAL from the wrong store while promoting (plugin-barman-cloud #966). */
const GOOD_PLUGIN = [0, 14, 0] as const

/** Versions of operator and plugin that are known to fail at the worst moment. */
export function ofVersions(state: CloudNativePgState, say: Say): Finding[] {
  const found: Finding[] = []
  const { operator, plugin } = state
  if (operator !== null && isOlder(operator, OLDEST_OPERATOR))
    found.push(
      say('operator-too-old', 'blocker', `CloudNativePG ${operator} is too old for this driver`, 'Update it to 1.30.'),
    )
  else if (operator !== null && !isGoodOperator(operator))
    found.push(
      say(
        'operator-old',
        'warning',
        `CloudNativePG ${operator} may lose the demotion token in the middle of a move`,
        'Update it to 1.28.4, 1.29.2, 1.30.0 or newer.',
      ),
    )
  if (plugin !== null && isOlder(plugin, GOOD_PLUGIN))
    found.push(
      say(
        'plugin-old',
        'warning',
        `plugin-barman-cloud ${plugin} may restore WAL from the wrong store while promoting`,
        'Update it to 0.14.0 or newer.',
      ),
    )
  return found
}

/** Fixed in each line of releases at another patch; every later line has it. */
function isGoodOperator(version: string): boolean {
  const [major, minor] = numbersOf(version)
  const line = GOOD_OPERATORS.find((good) => good[0] === major && good[1] === minor)
  return !isOlder(version, line ?? GOOD_OPERATORS[GOOD_OPERATORS.length - 1] ?? OLDEST_OPERATOR)
}

function isOlder(version: string, than: readonly number[]): boolean {
  const numbers = numbersOf(version)
  const at = than.findIndex((part, index) => part !== numbers[index])
  return at >= 0 && (numbers[at] ?? 0) < (than[at] ?? 0)
}

/** `v1.30.0-rc1` as 1, 30, 0. */
const numbersOf = (version: string): [number, number, number] => {
  const [major = 0, minor = 0, patch = 0] = version.replace(/^v/, '').split(/[.-]/).map(Number)
  return [major, minor, patch]
}
