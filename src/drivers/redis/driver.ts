import type { Driver } from '../../driver/driver.ts'
import { accessOf, claimsOf, problemsOf } from './access.ts'
import { assessCache } from './assess.ts'
import { dump, dumpStep } from './backup.ts'
import { deployCache } from './deploy.ts'
import { keptData, lossOf } from './loss.ts'
import { dumpVaries, fenceSteps, moveSteps, rejoinSteps, scheduleStep, titleOfPlanned } from './move.ts'
import { observeCache, type RedisState } from './observe.ts'
import { fence, restore, schedule } from './restore.ts'
import { testRestore } from './restore-test.ts'
import { manualStep } from './runbook.ts'
import { type RedisSpec, redisSchema } from './spec.ts'

/** A cache and queue per site; its content moves as a checked dump, beside the database's own move. */
export const redis: Driver<RedisSpec, RedisState> = {
  kind: 'redis',
  scope: 'site',
  schema: redisSchema,
  claims: claimsOf,
  validate: problemsOf,
  reaches: () => ['application'],
  access: accessOf,
  observe: observeCache,
  assess: assessCache,
  deploy: deployCache,
  move: moveSteps,
  fence: fenceSteps,
  rejoin: rejoinSteps,
  // Its guard suspends the dumps, and nothing else of it.
  reopen: (component, _states, { to }) => [scheduleStep(component, to, false, 'PROTECT')],
  loss: lossOf,
  keeps: keptData,
  backup: (component, _states, site) => [
    dumpStep(component, site, 'PROTECT', `Takes a dump of ${component.spec.name} on ${site}`),
  ],
  manual: manualStep,
  varying: { restore: { planned: dumpVaries } },
  varyingTitles: { restore: titleOfPlanned },
  behaviours: { dump, restore, schedule, fence },
  restoreTest: testRestore,
}
