import type { SiteDriver } from '../../driver/capabilities.ts'
import { accessOf, claimsOf, problemsOf } from './access.ts'
import { assessment } from './assess.ts'
import { dump, dumpStep } from './backup.ts'
import { codes } from './codes.ts'
import { deployCache } from './deploy.ts'
import { lossOf } from './loss.ts'
import { moves } from './move.ts'
import { observeCache, type RedisState } from './observe.ts'
import { restore } from './restore.ts'
import { testRestore } from './restore-test.ts'
import { fence, fenceSteps, schedule } from './schedule.ts'
import { type RedisSpec, redisSchema } from './spec.ts'

/** A cache and queue per site; its content moves as a checked dump, beside the database's own move. */
export const redis: SiteDriver<RedisSpec, RedisState> = {
  kind: 'redis',
  scope: 'site',
  standsOn: 'kubernetes',
  schema: redisSchema,
  codes,
  claims: claimsOf,
  validate: problemsOf,
  access: accessOf,
  observe: observeCache,
  assess: assessment,
  deploys: { deploy: deployCache },
  moves,
  fences: { levels: () => ['application'], steps: fenceSteps },
  losses: { loss: lossOf },
  backups: {
    backup: (component, _states, site) => [
      dumpStep(component, site, 'PROTECT', `Takes a dump of ${component.spec.name} on ${site}`),
    ],
    restoreTest: testRestore,
  },
  actions: [dump, restore, schedule, fence],
}
