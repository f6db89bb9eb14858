import { accessKeys } from '../src/clients/access-keys.ts'
import { openObjectStore } from '../src/clients/object-store.ts'
import { isLogin, type ObjectStoreClient } from '../src/clients/object-store-client.ts'
import type { CredentialReference, SiteName, Stack } from '../src/domain/stack.ts'
import { objectStoreOf } from '../src/driver/ask.ts'
import { drivers } from '../src/drivers/registry.ts'
import type { LabStack } from './stacks.ts'

/** The object store of a declared stack that its component `name` is on a site, opened with the mover's keys. */
export async function siteStore(
  stack: LabStack,
  declared: Stack,
  name: string,
  site: string,
): Promise<ObjectStoreClient> {
  const component = declared.components.find((candidate) => candidate.name === name)
  const location =
    component === undefined ? null : objectStoreOf(drivers[component.driver], component, site as SiteName)
  if (location === null) throw new Error(`${declared.name} declares no object store ${name}`)
  const env = await stack.environmentOf('mover')
  const value = (reference: CredentialReference): string => ('env' in reference ? (env[reference.env] ?? '') : '')
  const { readCredentials } = location
  if (isLogin(readCredentials)) throw new Error('the lab has keys')
  return openObjectStore({ ...location, ...(await accessKeys(readCredentials, async (reference) => value(reference))) })
}
