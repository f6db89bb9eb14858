import type { ObjectStoreClient } from '../clients/object-store-client.ts'
import { overWay, type Way } from '../clients/patience.ts'
import { withinDeadline } from '../clients/within-deadline.ts'
import type { Component, ComponentName, SiteName } from '../domain/stack.ts'
import { asStandbyError, timeoutError } from '../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../values/duration.ts'
import type { DriverContext } from './context.ts'

/** null: there is none. */
export type NewestInStore<Backup> = Backup | null | 'unreadable'

/** A store that is lost with its site must not make other sites look silent. */
const LISTING: Milliseconds = seconds(2)

export interface BackupsInStore<Backup> {
  readonly component: Pick<Component, 'name'>
  /** The component of the object store. */
  readonly store: ComponentName
  /** Ends with `/`. */
  readonly folder: string
  readonly site: SiteName
  /** Reads the newest complete backup that lies directly in the folder; null: there is none. */
  newest(store: ObjectStoreClient, folder: string, signal: AbortSignal): Promise<Backup | null>
}

/** The newest backup of a site, for an observation. A silent store gives a value, and no error. */
export async function newestInStore<Backup>(
  { component, store: name, folder, site, newest }: BackupsInStore<Backup>,
  context: Pick<DriverContext, 'objectStore' | 'signal' | 'log'>,
): Promise<NewestInStore<Backup>> {
  try {
    const { open } = context.objectStore(name, site)
    let way: Way | undefined
    const list = async (signal: AbortSignal) => {
      const store = await open('read')
      way = store.way
      return newest(store, folder, signal)
    }
    return await withinDeadline(
      () => overWay(way, LISTING),
      [context.signal],
      list,
      () => timeoutError('object-store-unreachable', 'it does not answer in time', { retry: 'transient' }),
    )
  } catch (error) {
    context.log.debug(`${component.name}@${site}: ${asStandbyError(error).message}`)
    return 'unreadable'
  }
}
