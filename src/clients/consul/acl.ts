import type { ConsulCall, ConsulClient } from './client.ts'
import { objectIn, objectsIn, textIn } from './fields.ts'

/** The token that a client asks with. */
export interface ConsulToken {
  readonly accessorId: string
  readonly description: string
  readonly policies: readonly string[]
  /** ISO 8601; null: it does not expire. */
  readonly expires: string | null
  /** It is known in its own datacenter only, and needs no other one. */
  readonly isLocal: boolean
}

/** The token that the client asks with. Throws `refused` where it does not exist. */
export async function readOwnToken(client: ConsulClient): Promise<ConsulToken> {
  const call: ConsulCall = { method: 'GET', path: 'acl/token/self' }
  const token = objectIn((await client.askJson(call)).value)
  const accessorId = textIn(token.AccessorID)
  if (accessorId === '') throw client.unreadable(call, 'it has no accessor')
  return {
    accessorId,
    description: textIn(token.Description),
    policies: objectsIn(token.Policies).map(({ Name }) => textIn(Name)),
    expires: textIn(token.ExpirationTime) || null,
    isLocal: token.Local === true,
  }
}
