import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { stampOf } from '../../../values/stamp.ts'
import { dumpFolder, type Group, retentionOf } from '../spec.ts'

/**
 * Removes dumps that are older than their retention, descriptions first, so that none is left without its dump. Only
 * objects directly in the folder that have the name of a dump: a folder below it has other owners. Called after a new
 * dump was stored; what cannot be removed is a warning.
 */
export async function removeOldDumps(
  component: Group,
  store: ObjectStoreClient,
  { clock, log }: Pick<DriverContext, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const folder = dumpFolder(component)
  const oldest = stampOf(new Date(clock.now().getTime() - retentionOf(component)).toISOString())
  try {
    const objects = await store.list(folder, { signal })
    for (const key of oldDumpsIn(
      objects.map(({ key }) => key),
      folder,
      oldest,
    ))
      await store.remove(key, { signal })
  } catch (error) {
    signal.throwIfAborted()
    log.warning(`${component.name}: old dumps were not removed: ${asStandbyError(error).message}`)
  }
}

/** `oldest`: the stamp of the oldest dump that is kept. Descriptions come first. Pure. */
export function oldDumpsIn(keys: readonly string[], folder: string, oldest: string): string[] {
  const old = keys.filter((key) => {
    const stamp = key.startsWith(folder) ? NAME.exec(key.slice(folder.length))?.[1] : undefined
    return stamp !== undefined && stamp < oldest
  })
  const isDescription = (key: string): boolean => key.endsWith('.json')
  return [...old.filter(isDescription), ...old.filter((key) => !isDescription(key))]
}
const NAME = /^(\d{8}T\d{6}Z)(?:\.json|(?:-[0-9a-f]{8})?\.rdb)$/
