import type { DriverContext } from '../../../driver/context.ts'
import type { Database } from '../spec.ts'
import { consulStore } from './consul.ts'
import { etcdStore } from './etcd.ts'
import type { PatroniStore, StoreCall } from './store.ts'

/** The store of a site. Contacts nothing yet. */
export function storeOf(
  component: Database,
  site: string,
  context: Pick<DriverContext, 'http' | 'credential'>,
  call: StoreCall,
): PatroniStore {
  const { kind } = component.spec.store
  switch (kind) {
    case 'etcd':
      return etcdStore(component, site, context, call)
    case 'consul':
      return consulStore(component, site, context, call)
    default:
      return kind satisfies never
  }
}
