import type { SiteDriver } from '../../driver/capabilities.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { canaryUses } from '../../systems/application/declaration.ts'
import { copiesIn } from '../../systems/application/restored-endpoint.ts'
import { assessment } from './assess.ts'
import { codes } from './codes.ts'
import { deployUnits } from './deploy.ts'
import { guardedUnits } from './guarded-units.ts'
import { identity } from './identity.ts'
import { fenceSteps, moves } from './move/moves.ts'
import { start } from './move/start.ts'
import { stop } from './move/stop.ts'
import { observeUnits, type SystemdState } from './observe.ts'
import { testRestored } from './restore-test.ts'
import { applicationProblems, claimsOf, type SystemdSpec, systemdSchema } from './spec.ts'

/**
 * A stateless application as units on hosts: stopped before the data moves, then started and checked for its identity.
 */
export const systemd: SiteDriver<SystemdSpec, SystemdState> = {
  kind: 'systemd',
  scope: 'site',
  standsOn: HOSTS.platform,
  schema: systemdSchema,
  codes,
  claims: claimsOf,
  validate: applicationProblems,
  // The login of the hosts is declared with the hosts; rights there are those of its user.
  access: () => [],
  credentials: ({ spec }) => canaryUses(spec),
  observe: observeUnits,
  assess: assessment,
  deploys: { deploy: deployUnits },
  moves,
  fences: { levels: () => ['application'], steps: fenceSteps },
  guardedUnits,
  // It holds no data of its own: its restore test starts it on the restored copies of others.
  backups: {
    restoresIn: ({ spec }) => (spec.restoreTest === undefined ? 'nowhere' : { platform: HOSTS.platform }),
    readsCopies: ({ spec }) => copiesIn(spec.restoreTest?.environment),
    restoreTest: testRestored,
  },
  actions: [identity.record, stop, start, identity.compare],
}
