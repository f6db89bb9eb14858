import { overWay, type Way } from '../../clients/patience.ts'
import { withinDeadline } from '../../clients/within-deadline.ts'
import type { Component, SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { asStandbyError, timeoutError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { type CataloguedDump, newestDump } from './catalogue.ts'

/** null: there is none. */
export type NewestDump = CataloguedDump | null | 'unreadable'

/** A store that is lost with its site must not make other sites look silent. */
const LISTING: Milliseconds = seconds(2)

/** The newest dump of a site, for an observation. A silent store gives a value, and no error. */
export async function newestInStore(
  of: {
    readonly component: Pick<Component, 'name'>
    /** The component of the object store. */
    readonly store: string
    /** Ends with `/`. */
    readonly folder: string
    readonly site: SiteName
  },
  context: Pick<DriverContext, 'objectStore' | 'signal' | 'log'>,
): Promise<NewestDump> {
  const { component, folder, site } = of
  try {
    const { open } = context.objectStore(of.store, site)
    let way: Way | undefined
    const list = async (signal: AbortSignal) => {
      const store = await open('read')
      way = store.way
      return newestDump(store, folder, signal)
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
