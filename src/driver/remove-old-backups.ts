import type { ObjectStoreClient } from '../clients/object-store-client.ts'
import type { Component } from '../domain/stack.ts'
import { asStandbyError } from '../errors/standby-error.ts'
import type { Milliseconds } from '../values/duration.ts'
import { stampOf } from '../values/stamp.ts'
import type { DriverContext } from './context.ts'

export interface OldBackups {
  readonly component: Pick<Component, 'name'>
  readonly store: ObjectStoreClient
  /** Ends with `/`. */
  readonly folder: string
  readonly retention: Milliseconds
  /** Matches the name of an object of a backup; its first group is the stamp. Descriptions end with `.json`. */
  readonly name: RegExp
  /** For people: `dumps`. */
  readonly of: string
}

/**
 * Removes backups that are older than their retention, descriptions first, so that none is left without its backup.
 * Only objects directly in the folder that have the name of a backup: a folder below it has other owners. Called after
 * a new backup was stored; what cannot be removed is a warning.
 */
export async function removeOldBackups(
  { component, store, folder, retention, name, of }: OldBackups,
  { clock, log }: Pick<DriverContext, 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const oldest = stampOf(new Date(clock.now().getTime() - retention).toISOString())
  try {
    const objects = await store.list(folder, { signal })
    const keys = objects.map(({ key }) => key)
    for (const key of oldBackupsIn(keys, { folder, name, oldest })) await store.remove(key, { signal })
  } catch (error) {
    signal.throwIfAborted()
    log.warning(`${component.name}: old ${of} were not removed: ${asStandbyError(error).message}`)
  }
}

/** `oldest`: the stamp of the oldest backup that is kept. Descriptions come first. Pure. */
export function oldBackupsIn(
  keys: readonly string[],
  { folder, name, oldest }: Pick<OldBackups, 'folder' | 'name'> & { readonly oldest: string },
): string[] {
  const old = keys.filter((key) => {
    const stamp = key.startsWith(folder) ? name.exec(key.slice(folder.length))?.[1] : undefined
    return stamp !== undefined && stamp < oldest
  })
  const isDescription = (key: string): boolean => key.endsWith('.json')
  return [...old.filter(isDescription), ...old.filter((key) => !isDescription(key))]
}
