import { type Milliseconds, parseDuration, seconds } from '../../duration.ts'
import type { GuardRules } from '../../guard/decide.ts'
import type { JsonObject } from '../../json.ts'
import { duration, keyPair, text } from '../../stack/schema-parts.ts'
import type { Component, CredentialReference } from '../../stack/stack.ts'

export const GUARD_KIND = 'guard'

/** The watchman of each site: it keeps the site closed while the witness does not call it active. */
export interface GuardSpec {
  readonly image: string
  readonly witnessCredentials: { readonly accessKeyId: CredentialReference; readonly secretAccessKey: CredentialReference }
  readonly every?: string
  readonly silence?: string
  readonly whenWitnessIsSilent?: 'stay-open' | { readonly closeAfter: string }
}
export type GuardComponent = Component<GuardSpec>

export const guardSchema: JsonObject = {
  description:
    'A small Deployment on each site that keeps the site closed while it is not the active one, also after it comes back from the dead.',
  required: ['image', 'witnessCredentials'],
  properties: {
    image: text('A stock image of Node 24; it runs the bundle of this tool, which a deploy brings along.', {
      examples: ['docker.io/library/node:24.21.0-bookworm-slim'],
    }),
    witnessCredentials: {
      ...keyPair,
      description: "Keys that may read the witness's active.json and nothing else. A deploy puts them into a Secret on each site.",
    },
    every: duration('How often the witness is read. Default 5s.'),
    silence: duration('How long the witness may be silent while the site is not proven active; then it is closed. Default 60s.'),
    whenWitnessIsSilent: {
      description:
        'What a site that was proven active does while the witness is silent. stay-open (default): it serves on. closeAfter: it is closed after this time, for stacks that prefer no service to two.',
      oneOf: [
        { const: 'stay-open' },
        {
          type: 'object',
          required: ['closeAfter'],
          additionalProperties: false,
          properties: { closeAfter: duration('From the last time that the witness could be read.') },
        },
      ],
    },
  },
}

const timeOr = (declared: string | undefined, otherwise: Milliseconds): Milliseconds =>
  declared === undefined ? otherwise : (parseDuration(declared) ?? otherwise)

/** The declared times, in milliseconds. */
export function rulesOf(spec: GuardSpec): GuardRules & { readonly every: Milliseconds } {
  const silent = spec.whenWitnessIsSilent ?? 'stay-open'
  const silence = timeOr(spec.silence, seconds(60))
  return {
    every: timeOr(spec.every, seconds(5)),
    silence,
    closeAfter: silent === 'stay-open' ? null : timeOr(silent.closeAfter, silence),
  }
}

/** Checked by its schema when the stack was loaded. */
export const guardSpecOf = (component: Component): GuardSpec => component.spec as unknown as GuardSpec
