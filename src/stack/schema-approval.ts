import { duration, oneLine, text } from '../schema/parts.ts'
import type { JsonObject } from '../values/json.ts'
import { SSH_ED25519_PATTERN } from './ssh-key.ts'

/** GitHub refuses these characters in the name of an environment. */
const environment = oneLine('Name of the environment.', '\'"`,;\\\\')

/** As `git check-ref-format --branch` accepts it. */
const branch = text('The only branch that may be deployed from.', {
  pattern:
    '^(?!.*([.]{2}|//|/[.]|@[{]|[.]lock(/|$)))(?!@$)[^\\s/.~^:?*[\\\\-]([^\\s~^:?*[\\\\]{0,253}[^\\s/.~^:?*[\\\\])?$',
})

/** Who may allow a move: the part `approval` of the stack file. */
export const approvalSchema: JsonObject = {
  description: 'Who may allow a move.',
  type: 'object',
  additionalProperties: false,
  properties: {
    github: {
      description:
        'The protected environments whose reviewers allow a move: environment for one, environments for several.',
      type: 'object',
      required: ['branch'],
      additionalProperties: false,
      properties: {
        environment,
        environments: {
          description:
            'Names of environments; each must be approved for the run, because GitHub asks for one reviewer per environment only.',
          type: 'array',
          minItems: 1,
          uniqueItems: true,
          items: environment,
        },
        branch,
        approvers: {
          description: 'How many different people must approve, over all environments. Default: one per environment.',
          type: 'integer',
          minimum: 1,
        },
      },
      oneOf: [{ required: ['environment'] }, { required: ['environments'] }],
    },
    signatures: {
      description: 'Signatures that allow a move from the command line, for the day when GitHub cannot be asked.',
      type: 'object',
      required: ['required', 'keys'],
      additionalProperties: false,
      properties: {
        required: {
          description: 'How many of the keys must have signed; 2 keeps the rule of two persons.',
          type: 'integer',
          minimum: 1,
        },
        keys: {
          description: 'The public keys of those who may sign.',
          type: 'array',
          minItems: 1,
          items: {
            description: 'One public key, and whose it is.',
            type: 'object',
            required: ['name', 'key'],
            additionalProperties: false,
            properties: {
              name: text('Whose key it is; the person who asks for a move cannot sign for it under this name.', {
                pattern: '^[A-Za-z0-9][A-Za-z0-9._@+-]*$',
              }),
              key: {
                description: 'The public key as in a .pub file of OpenSSH; Ed25519 only: ssh-keygen -t ed25519',
                type: 'string',
                pattern: SSH_ED25519_PATTERN,
                examples: [
                  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH0S/W+XbI8H6xf67RlTJY0SF7v1br7q/0OzWUIpPM87 rita@laptop',
                ],
              },
            },
          },
        },
      },
    },
    expiry: duration('How long a plan waits for its reviewer. Default 2h.'),
  },
}
