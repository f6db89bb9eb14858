import type { SiteDriver } from '../../driver/capabilities.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { actions } from './actions.ts'
import { assessment } from './assess/assess.ts'
import { dumpSteps } from './backup/dump.ts'
import { testRestore } from './backup/restore-test.ts'
import { codes } from './codes.ts'
import { guardedUnits } from './guarded-units.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import { anotherAhead, lossOf } from './loss.ts'
import { fenceSteps } from './move/close.ts'
import { moves } from './move/moves.ts'
import { type GroupState, observeGroup } from './observe.ts'
import {
  addressesOf,
  claimsOf,
  credentialUses,
  groupProblems,
  type RedisSentinelSpec,
  redisSentinelSchema,
} from './spec.ts'
import { takenOver } from './taken-over.ts'

/** One replication group of Redis over all sites, on hosts, watched by Sentinels at every site. */
export const redisSentinel: SiteDriver<RedisSentinelSpec, GroupState> = {
  kind: 'redis-sentinel',
  scope: 'site',
  standsOn: HOSTS.platform,
  schema: redisSentinelSchema,
  codes,
  claims: claimsOf,
  validate: groupProblems,
  credentials: credentialUses,
  access: () => [],
  addresses: addressesOf,
  observe: observeGroup,
  assess: assessment,
  moves,
  fences: { levels: () => ['database'], steps: fenceSteps },
  movesByItself: { takenOver },
  guardedUnits,
  liveness: { signals: livenessSignalsOf },
  losses: { loss: lossOf, ahead: anotherAhead },
  backups: {
    // Without dumps its replicas are all that there is.
    restoresIn: ({ spec: { dumps } }) => (dumps === undefined ? 'nowhere' : { platform: HOSTS.platform }),
    backup: (component, _states, site) => dumpSteps(component, site, 'PROTECT'),
    restoreTest: testRestore,
  },
  actions,
}
