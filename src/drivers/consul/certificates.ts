import type { ConsulClient } from '../../clients/consul/client.ts'
import { objectIn, objectsIn, textIn } from '../../clients/consul/fields.ts'
import { seenInTime } from '../../clients/seen-in-time.ts'

/** The certificates that end one day, as they are seen on the connection and as Consul lists them. */
export interface Certificates {
  /** ISO 8601, of the server that answered; null: it has no TLS, or was not seen. */
  readonly server: string | null
  /** Of the authority of the mesh that signs now: ISO 8601; null: the mesh is off, or was not seen. */
  readonly authority: { readonly name: string; readonly until: string } | null
}

const NONE: Certificates = { server: null, authority: null }

/** Both with one question. What is not answered is null: whether Consul answers at all is said elsewhere. */
export const certificatesSeen = (client: ConsulClient, signal: AbortSignal): Promise<Certificates> =>
  seenInTime(
    signal,
    () => askedFor(client),
    () => NONE,
  ).catch(() => NONE)

async function askedFor(client: ConsulClient): Promise<Certificates> {
  // 500: the mesh is off (`connect.enabled`).
  const {
    status,
    value,
    certificateUntil = null,
  } = await client.askJson({
    method: 'GET',
    path: 'connect/ca/roots',
    accepts: [500],
  })
  const root = status === 200 ? objectsIn(objectIn(value).Roots).find(({ Active }) => Active === true) : undefined
  const until = textIn(root?.NotAfter)
  return {
    server: certificateUntil,
    authority: root === undefined || until === '' ? null : { name: textIn(root.Name), until },
  }
}
