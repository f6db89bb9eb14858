import { awsLogin } from '../clients/renewed-login.ts'
import type { Stack } from '../domain/stack.ts'
import { conditionalStores } from '../drivers/registry.ts'
import { inputError } from '../errors/standby-error.ts'
import { readNamedFile } from '../stack/named-files.ts'
import type { ConditionalStore } from '../witness/conditional-store.ts'
import { localCredential } from './credentials.ts'

/**
 * The witness and nothing else: for what needs no site, such as an audit, or a move that is refused. Reads no
 * credential but those of the witness; throws `credential-missing`, and `credential-not-local` where they lie in a
 * site's Secret.
 */
export async function openWitness(
  stack: Stack,
  env: Readonly<Record<string, string | undefined>>,
  mask: (secret: string) => void,
): Promise<ConditionalStore> {
  const openStore = conditionalStores[stack.witness.driver]
  if (openStore === undefined) throw inputError('unknown-witness', `${stack.witness.driver} is no witness`)
  const sources = { env, directory: stack.source.directory, mask }
  return openStore(stack.witness.spec, {
    stack: stack.name,
    credential: async (reference) => localCredential(reference, sources),
    login: awsLogin({ env, mask }),
    file: (path) => readNamedFile(stack, path),
    signal: new AbortController().signal,
  })
}
