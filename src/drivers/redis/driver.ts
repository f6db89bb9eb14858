import type { Driver } from '../../planning/driver.ts'
import { accessOf, claimsOf, problemsOf } from './access.ts'
import { dump, dumpStep } from './backup.ts'
import { deployCache } from './deploy.ts'
import { assessCache, observeCache, type RedisState } from './observe.ts'
import { restore, restoreStep, schedule, scheduleSteps } from './restore.ts'
import { testRestore } from './restore-test.ts'
import { type RedisSpec, redisSchema } from './spec.ts'

/** A cache and queue per site; its content moves as a checked dump, beside the database's own move. */
export const redis: Driver<RedisSpec, RedisState> = {
  kind: 'redis',
  scope: 'site',
  schema: redisSchema,
  claims: claimsOf,
  validate: problemsOf,
  access: accessOf,
  observe: observeCache,
  assess: assessCache,
  deploy: deployCache,
  move: (component, _states, intent) => [
    // Behind DRAIN, so that nobody writes any more; beside the demotion of the database.
    ...(component.spec.move === 'fresh'
      ? []
      : [
          {
            ...dumpStep(
              component,
              intent.from,
              'FINAL_SYNC',
              `Takes a last dump of ${component.spec.name} on ${intent.from}, after its last writer stopped`,
            ),
            mayBeginIn: 'FENCE' as const,
          },
        ]),
    restoreStep(component, intent),
    ...scheduleSteps(component, intent),
  ],
  backup: (component, _states, site) => [dumpStep(component, site, 'PROTECT', `Takes a dump of ${component.spec.name} on ${site}`)],
  behaviours: { dump, restore, schedule },
  restoreTest: testRestore,
}
