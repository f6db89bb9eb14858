import type { HttpRequest } from '../clients/http-question.ts'
import type { SpecProblem } from '../domain/declaration.ts'
import type { CredentialReference } from '../domain/stack.ts'
import { credentialReference } from '../schema/parts.ts'
import type { DriverContext } from './context.ts'

/** How a server is known by TLS, and how it knows who asks. Each is a reference to certificates or a key (PEM). */
export interface DeclaredTls {
  readonly authority?: CredentialReference
  readonly certificate?: CredentialReference
  readonly key?: CredentialReference
}

/** Its keys in the schema of a driver. */
export const TLS_PROPERTIES = {
  authority: { ...credentialReference, description: 'The certificates (PEM) of a private authority.' },
  certificate: { ...credentialReference, description: 'The certificate (PEM) of the client, where one is demanded.' },
  key: { ...credentialReference, description: 'The key (PEM) of that certificate.' },
}

/** A certificate without its key, or the other way round. Pure. */
export function tlsProblems(declared: DeclaredTls | undefined, path: readonly string[]): SpecProblem[] {
  if ((declared?.certificate === undefined) === (declared?.key === undefined)) return []
  const [has, lacks] = declared?.key === undefined ? ['certificate', 'key'] : ['key', 'certificate']
  return [{ path: [...path, has], what: `needs \`${lacks}\` beside it: a client proves itself by both` }]
}

/** What of a request follows from the declaration. */
export async function tlsOfRequest(
  { authority, certificate, key }: DeclaredTls = {},
  context: Pick<DriverContext, 'credential'>,
): Promise<Pick<HttpRequest, 'authority' | 'identity'>> {
  return {
    ...(authority === undefined ? {} : { authority: await context.credential(authority) }),
    ...(certificate === undefined || key === undefined
      ? {}
      : {
          identity: { certificate: await context.credential(certificate), key: await context.credential(key) },
        }),
  }
}
