import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { type NewestInStore, newestInStore as newestOf } from '../../../driver/newest-in-store.ts'
import { type Federation, snapshotFolder, snapshotsOf } from '../spec.ts'
import { type CataloguedSnapshot, newestSnapshot } from './catalogue.ts'

export type NewestSnapshot = NewestInStore<CataloguedSnapshot>

/** The newest snapshot of a site, for an observation. A silent store gives a value, and no error. */
export const newestInStore = (
  component: Federation,
  site: SiteName,
  context: Pick<DriverContext, 'objectStore' | 'signal' | 'log'>,
): Promise<NewestSnapshot> =>
  newestOf(
    {
      component,
      store: snapshotsOf(component).store,
      folder: snapshotFolder(component),
      site,
      newest: newestSnapshot,
    },
    context,
  )
