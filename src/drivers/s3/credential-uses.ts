import { isLogin, type KeysReference } from '../../clients/object-store-client.ts'
import type { CredentialUse, Identity } from '../../domain/identities.ts'
import type { CredentialReference } from '../../domain/stack.ts'
import type { S3Site } from './spec.ts'

/** Who opens the bucket of a site with which keys. Pure. */
export function credentialUses(
  site: string,
  { bucket, credentials, readCredentials, policyCredentials }: S3Site,
): CredentialUse[] {
  const uses = (keys: KeysReference, identities: readonly Identity[], because: string): CredentialUse[] =>
    (isLogin(keys) ? [] : (Object.values(keys) as CredentialReference[])).map((reference) => ({
      reference,
      identities,
      because,
    }))
  return [
    // A deploy puts them into the Secrets with which databases and caches write from inside the site.
    ...uses(credentials, ['deployer', 'mover'], `writes to ${bucket} of ${site}`),
    ...uses(
      readCredentials ?? credentials,
      ['observer', 'deployer', 'mover', 'restore-tester'],
      `reads ${bucket} of ${site}`,
    ),
    ...(policyCredentials === undefined
      ? []
      : uses(
          policyCredentials,
          ['mover'],
          `changes the policy of ${bucket}: closes the archive of ${site} when it is lost`,
        )),
  ]
}
