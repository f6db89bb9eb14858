import type { Component, CredentialReference } from '../../domain/stack.ts'
import type { GuardRules } from '../../guard/decide.ts'
import { fieldsOf } from '../../schema/fields.ts'
import {
  credentialReference,
  duration,
  HOST_PATH,
  imageName,
  lastingKeyPair,
  lastingToken,
  text,
} from '../../schema/parts.ts'
import { type Milliseconds, parseDuration, seconds } from '../../values/duration.ts'

export const GUARD_KIND = 'guard'

/** The guard of each site: it keeps the site closed while the witness does not name it as active. */
export interface GuardSpec {
  readonly on?: 'kubernetes' | 'hosts'
  readonly image?: string
  readonly node?: string
  readonly environment?: Readonly<Record<string, CredentialReference>>
  readonly witnessCredentials:
    | { readonly accessKeyId: CredentialReference; readonly secretAccessKey: CredentialReference }
    | { readonly token: CredentialReference }
  readonly every?: string
  readonly silence?: string
  readonly closeAfter?: string
}
export type GuardComponent = Component<GuardSpec>

export const guardSchema = fieldsOf<GuardSpec>()({
  description:
    'A small program on each site that keeps the site closed while it is not the active one, also after it comes back from the dead.',
  required: ['witnessCredentials'],
  properties: {
    on: {
      description:
        'kubernetes (default): a Deployment in the cluster of each site. hosts: a unit of systemd on each machine of each site.',
      enum: ['kubernetes', 'hosts'],
    },
    image: imageName(
      'On kubernetes: a stock image of Node 24; it runs the bundle of this tool, which a deploy brings along.',
      { examples: ['docker.io/library/node:24.21.0-bookworm-slim'] },
    ),
    node: text('On hosts: the program Node 24 on each machine. Default /usr/local/bin/node.', { pattern: HOST_PATH }),
    environment: {
      description:
        'On hosts: variables that the guard needs to look at components, such as the password of Redis or of the store of Patroni, by the names that the stack file reads them from.',
      type: 'object',
      maxProperties: 20,
      propertyNames: { description: 'The name of a variable.', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
      additionalProperties: credentialReference,
    },
    witnessCredentials: {
      description:
        "Keys, or a token, that may read the witness's active.json and nothing else. A deploy puts them into a Secret on each site, or into a file of each machine.",
      type: 'object',
      oneOf: [lastingKeyPair, lastingToken],
    },
    every: duration('How often the witness is read. Default 5s.'),
    silence: duration(
      'How long the witness may be silent while the site is not proven active; then it is closed. Default 60s.',
    ),
    closeAfter: duration(
      'A site that was proven active is closed when the witness was silent for so long, for stacks that prefer no service to two. Without it, the site serves on, and no failover can wait until it is shut (fencing.failover).',
    ),
  },
})

/** Whether it closes machines, by a unit on each; otherwise clusters, by a Deployment in each. */
export const isOnHosts = ({ on }: GuardSpec): boolean => on === 'hosts'

const timeOr = (declared: string | undefined, otherwise: Milliseconds): Milliseconds =>
  declared === undefined ? otherwise : (parseDuration(declared) ?? otherwise)

/** The declared times, in milliseconds. */
export function rulesOf(spec: GuardSpec): GuardRules & { readonly every: Milliseconds } {
  const silence = timeOr(spec.silence, seconds(60))
  return {
    every: timeOr(spec.every, seconds(5)),
    silence,
    closeAfter: spec.closeAfter === undefined ? null : timeOr(spec.closeAfter, silence),
  }
}

/** Checked by its schema when the stack was loaded. */
export const guardSpecOf = (component: Component): GuardSpec => component.spec as unknown as GuardSpec
