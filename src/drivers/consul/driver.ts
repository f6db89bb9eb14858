import type { SiteDriver } from '../../driver/capabilities.ts'
import { HOSTS } from '../../platform/hosts/client.ts'
import { assessment } from './assess/assess.ts'
import { codes } from './codes.ts'
import { deployUnits } from './deploy.ts'
import { livenessSignalsOf } from './liveness-signals.ts'
import { type ConsulState, observeDatacenter } from './observe.ts'
import { testRestore } from './snapshots/restore-test.ts'
import { snapshot, snapshotSteps } from './snapshots/take.ts'
import { type ConsulSpec, claimsOf, consulSchema, credentialUses, federationProblems, siteOf } from './spec.ts'
import { flipActions, moves } from './traffic/moves.ts'

/** Consul datacenters that are joined over the WAN: one at each site, whose servers are asked over HTTPS. */
export const consul: SiteDriver<ConsulSpec, ConsulState> = {
  kind: 'consul',
  scope: 'site',
  // Its servers have addresses of their own: they answer, or not, whatever the machines below them do.
  standsOn: null,
  schema: consulSchema,
  codes,
  claims: claimsOf,
  validate: federationProblems,
  credentials: credentialUses,
  access: () => [],
  addresses: (component, site) => siteOf(component, site).servers,
  observe: observeDatacenter,
  assess: assessment,
  deploys: { deploy: deployUnits },
  moves,
  liveness: { signals: livenessSignalsOf },
  backups: {
    restoresIn: ({ spec: { snapshots } }) => (snapshots === undefined ? 'nowhere' : { platform: HOSTS.platform }),
    backup: (component, _states, site) => snapshotSteps(component, site),
    restoreTest: testRestore,
  },
  actions: [...flipActions, snapshot],
}
