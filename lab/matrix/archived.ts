import { archiveFolder, type Database } from '../../src/drivers/cloudnative-pg/spec.ts'
import { drivers, witnesses } from '../../src/drivers/registry.ts'
import { loadStack } from '../../src/stack/load-stack.ts'
import { siteStore } from '../site-store.ts'
import type { LabStack } from '../stacks.ts'
import type { SiteName } from '../topology.ts'

/** Keys of all that the databases of a site have in their archive, of whatever incarnation. */
export async function archivedBy(stack: LabStack, site: SiteName): Promise<ReadonlySet<string>> {
  const declared = await loadStack(stack.path, { drivers, witnesses })
  const database = declared.components.find(({ driver }) => driver === 'cloudnative-pg') as Database | undefined
  if (database === undefined) throw new Error(`${declared.name} declares no database`)
  const store = await siteStore(stack, declared, database.spec.archive.store, site)
  return new Set((await store.list(archiveFolder(database))).map(({ key }) => key))
}
