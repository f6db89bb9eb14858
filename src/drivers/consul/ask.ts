import { type ConsulClient, type ConsulFailure, consulClient } from '../../clients/consul/client.ts'
import type { CredentialReference } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import { tlsOfRequest } from '../../driver/declared-tls.ts'
import type { Reach } from '../../driver/reach.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { codes } from './codes.ts'
import { datacenterNamed, type Federation, siteNamed, siteOf } from './spec.ts'

const CALL: Milliseconds = seconds(5)

/** Which servers of a site are asked, with which token, and for how long. */
export interface HowAsked {
  readonly signal: AbortSignal
  /** Default: inside of the site. */
  readonly reach?: Reach
  readonly deadline?: Milliseconds
  /** Servers to ask; default: all of the site, in turn. */
  readonly servers?: readonly string[]
  /** Default: the token that the site declares. */
  readonly token?: CredentialReference
}

/** A client of the datacenter of a site. Its errors have the codes of this driver. Contacts nothing yet. */
export function askSite(
  component: Federation,
  site: string,
  context: Pick<DriverContext, 'http' | 'credential' | 'stack'>,
  { signal, deadline = CALL, ...how }: HowAsked,
): ConsulClient {
  const { servers, token = component.spec.token } = siteOf(component, site)
  const at = siteNamed(context.stack, site)
  const credential = (reference: CredentialReference): Promise<string> => context.credential(reference, at)
  return consulClient({
    way: {
      http: async (request) =>
        context.http(
          { ...request, ...(await tlsOfRequest(component.spec, { credential })) },
          how.reach ?? { site: at },
        ),
      credential,
    },
    access: {
      addresses: how.servers ?? servers,
      token: how.token ?? token,
    },
    deadline,
    signal,
    where: datacenterNamed(component, site),
    error: (failure, what, details) => codes.error(CODE[failure], what, { ...details, next: NEXT[failure] }),
  })
}

/**
 * What a comparison finds; null where no server of the site answers. Consul may come with this very deploy, by a
 * component that this one needs: all is to be made then, and the apply must reach a server.
 */
export async function seenIfThere<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look()
  } catch (error) {
    if (asStandbyError(error).code === 'consul-silent') return null
    throw error
  }
}

const CODE = {
  silent: 'consul-silent',
  leaderless: 'consul-no-leader',
  remote: 'consul-unreachable-datacenter',
  failed: 'consul-failed',
  refused: 'consul-refused',
  rejected: 'consul-rejected',
} as const satisfies Readonly<Record<ConsulFailure, string>>
const NEXT: Readonly<Record<ConsulFailure, string>> = {
  silent: 'Look at the Consul servers of the site, and at the certificate that they show.',
  leaderless: 'Look at `consul operator raft list-peers`: more than half of the servers must run.',
  remote: 'Ask that datacenter itself before it is called lost.',
  failed: 'Look at the log of the Consul servers of the site.',
  refused: 'docs/drivers/consul.md lists the rights that the token needs.',
  rejected: 'Compare the version of Consul with the one in docs/drivers/consul.md.',
}
