import type { DriverContext } from '../../../driver/context.ts'
import type { Database } from '../spec.ts'
import { etcdStore } from './etcd.ts'
import type { PatroniStore, StoreCall } from './store.ts'

/** The store of a site. Contacts nothing yet. */
export function storeOf(
  component: Database,
  site: string,
  context: Pick<DriverContext, 'http' | 'credential'>,
  call: StoreCall,
): PatroniStore {
  switch (component.spec.store.kind) {
    case 'etcd':
      return etcdStore(component, site, context, call)
    default:
      return component.spec.store.kind satisfies never
  }
}
