import type { ObjectStoreClient } from '../../../clients/object-store-client.ts'
import type { DriverContext } from '../../../driver/context.ts'
import { removeOldBackups } from '../../../driver/remove-old-backups.ts'
import { dumpFolder, type Group, retentionOf } from '../spec.ts'

/** Removes dumps that are older than their retention. */
export const removeOldDumps = (
  component: Group,
  store: ObjectStoreClient,
  context: Pick<DriverContext, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<void> =>
  removeOldBackups(
    {
      component,
      store,
      folder: dumpFolder(component),
      retention: retentionOf(component),
      name: DUMP_NAME,
      of: 'dumps',
    },
    context,
    signal,
  )

/** The objects of a dump; the first group is the stamp. */
export const DUMP_NAME = /^(\d{8}T\d{6}Z)(?:\.json|(?:-[0-9a-f]{8})?\.rdb)$/
