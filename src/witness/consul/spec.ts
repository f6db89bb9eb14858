import { DATACENTER_NAME } from '../../clients/consul/client.ts'
import type { Claim, SpecProblem } from '../../domain/declaration.ts'
import type { CredentialReference } from '../../domain/stack.ts'
import { credentialReference, endpoint, endpointCertificates, folder, text } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'
import type { DeclaredEndpoint } from '../declared-endpoint.ts'

/** The witness: a place in the KV store of one datacenter of Consul. */
export interface ConsulWitnessSpec extends DeclaredEndpoint {
  readonly datacenter: string
  readonly prefix?: string
  readonly token: CredentialReference
}

export const consulWitnessSchema: JsonObject = {
  description: 'The KV store of a third datacenter of Consul.',
  required: ['endpoint', 'datacenter', 'token'],
  properties: {
    endpoint: endpoint(
      'URL of the HTTP API of Consul, as sites and runners reach it: scheme, name and perhaps a port. Of servers or agents of any datacenter that reaches the one of the witness.',
      { examples: ['https://consul.dc-c.example.com:8501'] },
    ),
    endpointCA: endpointCertificates,
    datacenter: text(
      'The datacenter whose KV store is the witness. Each datacenter has its own, which is copied nowhere.',
      { pattern: DATACENTER_NAME, examples: ['dc3'] },
    ),
    prefix: folder('Everything is kept below this; ends with "/".', 'with-slash'),
    token: {
      ...credentialReference,
      description: 'The token of the identity, by reference: standby rbac prints the rules of each one.',
    },
  },
}

/** Warns of an agent on the machine that asks: the time of the witness is then that of each such machine. Pure. */
export function agentOfItsOwn({ endpoint: url }: Pick<ConsulWitnessSpec, 'endpoint'>): SpecProblem[] {
  const host = URL.canParse(url) ? new URL(url).hostname : ''
  if (!/^(127\.|\[::1\]$)|^(.*\.)?localhost$/i.test(host)) return []
  const what = `${url} is another agent on each machine: its clock counts as that of the witness, so a clock that is wrong there is not seen. Name servers that all machines reach`
  return [{ path: ['endpoint'], what, severity: 'warning' }]
}

/** Claims a folder of the KV store of one datacenter: two owners would undo each other's work. */
export const kvClaim = (
  { datacenter, prefix = '' }: Pick<ConsulWitnessSpec, 'datacenter' | 'prefix'>,
  path: readonly string[],
): Claim => ({ key: `consul-kv ${datacenter}/`, below: prefix, path })
