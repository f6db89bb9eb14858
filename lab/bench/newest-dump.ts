import { backupFolder, type Cache, podOf, restoreRequest } from '../../src/drivers/redis/spec.ts'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { loadStack } from '../../src/stack/load-stack.ts'
import { minutes } from '../../src/values/duration.ts'
import { siteStore } from '../site-store.ts'
import type { LabStack } from '../stacks.ts'

/** What a person finds in the bucket, and tells the Redis that is to load it. */
export interface FoundDump {
  readonly pod: string
  readonly secret: string
  readonly request: Readonly<Record<string, string>>
}

/** The newest dump of a site, as `aws s3 ls`, `cp` and `presign` show it. */
export async function newestDump(stack: LabStack, from: string): Promise<FoundDump> {
  const declared = await loadStack(stack.path, { drivers, witnesses })
  const cache = declared.components.find(({ driver }) => driver === 'redis') as Cache | undefined
  if (cache === undefined) throw new Error('the stack declares no cache with backups')
  const store = await siteStore(stack, declared, cache.spec.backup.store, from)
  const newest = (await store.list(backupFolder(cache)))
    .map(({ key }) => key)
    .filter((key) => key.endsWith('.json'))
    .at(-1)
  if (newest === undefined) throw new Error(`${from} has no dump`)
  const { sha256 } = JSON.parse((await store.get(newest))?.body ?? '{}') as { readonly sha256: string }
  const url = await store.presignedGet(newest.replace(/json$/, 'rdb'), minutes(60))
  return {
    pod: podOf(cache),
    secret: restoreRequest(cache),
    request: { id: `by-hand-${new Date().toISOString()}`, url, sha256, otherwise: '' },
  }
}
