import { FENCE_LEVELS, type FenceLevel, reaches } from '../domain/fence-levels.ts'
import type { Liveness } from '../domain/liveness.ts'
import { changesActiveSite, type Fencing, type Finding, type Intent, type PlannedStep } from '../domain/plan.ts'
import type { ComponentName, Stack } from '../domain/stack.ts'
import type { SelfFencing } from '../driver/assessment.ts'
import type { Driver } from '../driver/driver.ts'
import { seconds } from '../values/duration.ts'
import { fenceLevels, levelsByTime, type ToShut } from './fence-coverage.ts'
import { isOfFollower } from './followers.ts'
import { levelByItself } from './self-fencing.ts'

/** Where nothing is declared. A stack of which no part can be fenced, an archive alone, needs none. */
const BY_DEFAULT = { switchover: 'database', failover: 'traffic' } as const

/**
 * What the stack demands for this move. A site that is seen alive is shut out of its database, or where there is none
 * of its application, whatever was declared. Pure.
 */
export function requiredFence(
  stack: Stack,
  intent: Intent,
  liveness: Liveness,
  drivers: Readonly<Record<string, Driver>>,
): FenceLevel | null {
  if (!changesActiveSite(intent)) return null
  const fenced = stack.components.some(({ driver }) => drivers[driver]?.fence !== undefined)
  const most = holdsDatabase(stack, drivers) ? 'database' : 'application'
  const declared = stack.fencing[intent.mode] ?? (fenced ? lower(BY_DEFAULT[intent.mode], most) : null)
  const alive = intent.mode === 'failover' && liveness.is === 'up'
  return declared !== null && alive ? higher(declared, most) : declared
}

/**
 * Whether the stack has a database of its own to shut: without one nothing could ever reach that level, and who shuts
 * the application shuts all that takes writes. A part that does not say what it reaches may be one.
 */
const holdsDatabase = (stack: Stack, drivers: Readonly<Record<string, Driver>>): boolean =>
  stack.components.some((component) => {
    const driver = drivers[component.driver]
    return driver?.fence !== undefined && (driver.reaches?.(component, stack).includes('database') ?? true)
  })

/** What is required, and what the steps shut. Pure. */
export function fencingOf(
  stack: Stack,
  intent: Intent,
  steps: readonly PlannedStep[],
  liveness: Liveness,
  drivers: Readonly<Record<string, Driver>>,
  toShut: ToShut,
): Fencing {
  if (!changesActiveSite(intent)) return { required: null, planned: [] }
  const byTime = levelsByTime(steps, toShut)
  const required = requiredFence(stack, intent, liveness, drivers)
  return { required, planned: fenceLevels(steps, toShut), ...(byTime.length === 0 ? {} : { byTime }) }
}

/** What still answers in a lost site answers soon, or holds up everybody who waits to be served again. */
const PATIENCE_IN_LOST_SITE = seconds(30)

/**
 * Marks what the move can do without: the steps of a third site, which may come and go, and of a failover the fences
 * that are not needed for the required level: one that can not be shut must not keep users waiting for a level that
 * nobody demanded. What stands outside the lost site (power, archive) keeps its own time. Pure.
 */
export function withBestEffort(
  steps: readonly PlannedStep[],
  { required, planned }: Fencing,
  intent: Intent,
): PlannedStep[] {
  const holds =
    required !== null &&
    reaches(
      planned.filter((level) => level !== 'power'),
      required,
    )
      ? required
      : 'power'
  const dispensable = ({ fence, site }: PlannedStep): boolean =>
    intent.mode === 'failover' &&
    required !== null &&
    fence !== undefined &&
    fence !== holds &&
    (isHigher(fence, required) || (holds === 'power' && site === intent.from))
  return steps.map((step) => {
    if (isOfFollower(step, intent)) return { ...step, bestEffort: step.deadline }
    if (!dispensable(step)) return step
    return {
      ...step,
      bestEffort: step.site === intent.from ? Math.min(step.deadline, PATIENCE_IN_LOST_SITE) : step.deadline,
    }
  })
}

/**
 * Refuses a plan whose steps do not shut the level that is required, and says why the site's own guard is no way to it.
 */
export function fencingFindings(
  fencing: Fencing,
  liveness: Liveness,
  intent: Intent,
  selfFencing: SelfFencing | null,
  leftOpen: readonly ComponentName[],
): Finding[] {
  const { required, planned } = fencing
  if (required === null || reaches(planned, required)) return []
  const site = intent.from
  const guard =
    selfFencing?.within === null && levelByItself(required) !== null
      ? { why: `; its guard is not waited for: ${selfFencing.why}`, next: ` Or: ${selfFencing.next}` }
      : { why: '', next: '' }
  const has = planned.length === 0 ? 'nothing' : planned.join(', ')
  const open = leftOpen.length === 0 ? '' : `, and leaves ${leftOpen.join(', ')} open`
  return [
    {
      code: 'fence-too-low',
      severity: 'blocker',
      site,
      what: `the fence of ${site} must reach ${required}${liveness.is === 'up' ? `, for ${site} is seen alive (${whoSees(liveness)})` : ''}; this plan shuts ${has}${open}${guard.why}`,
      next:
        liveness.is === 'up'
          ? `Make ${site} reachable for this runner, or switch it off, or plan a switchover.${guard.next}`
          : `Lower fencing.${intent.mode} in the stack file, or add a component that reaches ${required}, such as one of the driver command.${guard.next}`,
    },
  ]
}

/** The higher of two demands; null demands nothing. Pure. */
export const higherFence = (a: FenceLevel | null, b: FenceLevel | null): FenceLevel | null =>
  a === null || b === null ? (a ?? b) : higher(a, b)

const isHigher = (a: FenceLevel, b: FenceLevel): boolean => FENCE_LEVELS.indexOf(a) > FENCE_LEVELS.indexOf(b)
const lower = (a: FenceLevel, b: FenceLevel): FenceLevel => (isHigher(a, b) ? b : a)
const higher = (a: FenceLevel, b: FenceLevel): FenceLevel => (isHigher(a, b) ? a : b)

const whoSees = (liveness: Liveness): string =>
  liveness.sightings
    .filter(({ says }) => says === 'up')
    .map(({ from, what }) => `${from}: ${what}`)
    .join('; ')
