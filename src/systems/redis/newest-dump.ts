import type { DriverContext } from '../../driver/context.ts'
import { type BackupsInStore, type NewestInStore, newestInStore as newestOf } from '../../driver/newest-in-store.ts'
import { type CataloguedDump, newestDump } from './catalogue.ts'

export type NewestDump = NewestInStore<CataloguedDump>

/** The newest dump of a site, for an observation. A silent store gives a value, and no error. */
export const newestInStore = (
  of: Omit<BackupsInStore<CataloguedDump>, 'newest'>,
  context: Pick<DriverContext, 'objectStore' | 'signal' | 'log'>,
): Promise<NewestDump> => newestOf({ ...of, newest: newestDump }, context)
