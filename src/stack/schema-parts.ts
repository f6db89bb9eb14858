import { DURATION_PATTERN } from '../duration.ts'
import type { JsonObject } from '../json.ts'

/** Pieces of JSON Schema that several drivers share, with the texts that an editor shows. */

export const credentialReference: JsonObject = {
  description: 'Where a credential is found, never its value: { env: NAME }, { file: path } or { secret: { namespace, name, key } }.',
  type: 'object',
  oneOf: [
    {
      required: ['env'],
      additionalProperties: false,
      properties: { env: { description: 'An environment variable.', type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$' } },
    },
    {
      required: ['file'],
      additionalProperties: false,
      properties: { file: { description: 'A file, relative to the stack file.', type: 'string', minLength: 1 } },
    },
    {
      required: ['secret'],
      additionalProperties: false,
      properties: {
        secret: {
          description: 'A key of a Kubernetes Secret.',
          type: 'object',
          required: ['namespace', 'name', 'key'],
          additionalProperties: false,
          properties: {
            namespace: { type: 'string', minLength: 1 },
            name: { type: 'string', minLength: 1 },
            key: { type: 'string', minLength: 1 },
            site: { description: 'The site that holds the Secret; the one that is worked on when absent.', type: 'string', minLength: 1 },
          },
        },
      },
    },
  ],
}

export const keyPair: JsonObject = {
  description: 'An S3 access key, as references.',
  type: 'object',
  required: ['accessKeyId', 'secretAccessKey'],
  additionalProperties: false,
  properties: { accessKeyId: credentialReference, secretAccessKey: credentialReference },
}

export const duration = (description: string): JsonObject => ({
  description,
  type: 'string',
  pattern: DURATION_PATTERN,
  examples: ['90s', '5m', '26h', '30d'],
})

/** A name as Kubernetes takes it for most objects (RFC 1123 label). */
export const kubernetesName = (description: string): JsonObject => ({
  description,
  type: 'string',
  pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
})

export const text = (description: string, more: JsonObject = {}): JsonObject => ({ description, type: 'string', minLength: 1, ...more })

/** What differs per site: a mapping from site name. */
export const siteMap = (description: string, perSite: JsonObject): JsonObject => ({
  description,
  type: 'object',
  minProperties: 1,
  additionalProperties: perSite,
})
