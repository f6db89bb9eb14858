import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { oldBackupsIn, removeOldBackups } from '../../../driver/remove-old-backups.ts'
import { dumpFolder, type Group, retentionOf } from '../spec.ts'

/** Removes dumps that are older than their retention. */
export const removeOldDumps = (
  component: Group,
  store: ObjectStoreClient,
  context: Pick<DriverContext, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<void> =>
  removeOldBackups(
    { component, store, folder: dumpFolder(component), retention: retentionOf(component), name: NAME, of: 'dumps' },
    context,
    signal,
  )

/** `oldest`: the stamp of the oldest dump that is kept. Descriptions come first. Pure. */
export const oldDumpsIn = (keys: readonly string[], folder: string, oldest: string): string[] =>
  oldBackupsIn(keys, { folder, name: NAME, oldest })
const NAME = /^(\d{8}T\d{6}Z)(?:\.json|(?:-[0-9a-f]{8})?\.rdb)$/
