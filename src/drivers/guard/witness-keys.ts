import { accessKeys } from '../../clients/access-keys.ts'
import type { SpecProblem } from '../../domain/declaration.ts'
import type { CredentialReference, Stack } from '../../domain/stack.ts'
import { WITNESS_ACCESS_KEY_ID, WITNESS_SECRET_ACCESS_KEY, WITNESS_TOKEN } from '../../guard/names.ts'
import type { GuardSpec } from './spec.ts'

/** The guard's own credentials of the witness, by the variables in which it finds them. */
export async function witnessKeys(
  declared: GuardSpec['witnessCredentials'],
  credential: (reference: CredentialReference) => Promise<string>,
): Promise<Readonly<Record<string, string>>> {
  if ('token' in declared) return { [WITNESS_TOKEN]: await credential(declared.token) }
  const { accessKeyId, secretAccessKey } = await accessKeys(declared, credential)
  return { [WITNESS_ACCESS_KEY_ID]: accessKeyId, [WITNESS_SECRET_ACCESS_KEY]: secretAccessKey }
}

/** A guard asks the witness with the same kind of credentials as all others. */
export function keysProblems({ witnessCredentials }: GuardSpec, { witness }: Stack): SpecProblem[] {
  const needsToken = 'token' in witness.spec
  if (needsToken === 'token' in witnessCredentials) return []
  const what = needsToken
    ? 'holds access keys, and the witness is asked with a token: { token: { env: NAME } }'
    : 'holds a token, and the witness is asked with access keys: accessKeyId and secretAccessKey'
  return [{ path: ['witnessCredentials'], what }]
}
