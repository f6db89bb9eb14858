import { DURATION_PATTERN } from '../values/duration.ts'
import type { JsonObject } from '../values/json.ts'
import type { Schema } from './fields.ts'

/** Pieces of JSON Schema that several drivers share, with the texts that an editor shows. */

/**
 * What a value is, beyond its shape: an annotation that other validators ignore. `reference`: never printed, whatever
 * is wrong with it · `by-site`: a mapping whose keys are sites, all of them · `site`: the name of one.
 */
export const MEANS = 'x-standby-means'
export type Meaning = 'reference' | 'by-site' | 'site'

export const text = (description: string, more: JsonObject = {}): Schema<string> => ({
  description,
  type: 'string',
  minLength: 1,
  ...more,
})

/**
 * A foreign name, in one line and without blanks at its ends. `without`: further characters that it never holds, as in
 * a character class of a pattern.
 */
export const oneLine = (description: string, without = ''): Schema<string> =>
  text(description, { pattern: `^[^\\s${without}]([^\\n\\r\\t${without}]{0,253}[^\\s${without}])?$` })

/** A name as Kubernetes takes it for most objects (RFC 1123 label). */
export const kubernetesName = (description: string, longest = 63): Schema<string> => ({
  description,
  type: 'string',
  pattern: `^[a-z0-9]([-a-z0-9]{0,${longest - 2}}[a-z0-9])?$`,
})

/**
 * A folder in a bucket: no part of it begins with a dot, so that none leads elsewhere, and a shell reads it as it is.
 */
const FOLDER = '[A-Za-z0-9_][-A-Za-z0-9_.=+@]*(/[A-Za-z0-9_][-A-Za-z0-9_.=+@]*)*'
export const folder = (description: string, ending: 'with-slash' | 'without-slash' | 'either'): Schema<string> =>
  text(description, { pattern: `^${FOLDER}${{ 'with-slash': '/', 'without-slash': '', either: '/?' }[ending]}$` })

/** 1 to 65535. */
const PORT = '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])'
/** What follows the scheme of an address that has neither path nor user: a name or an address, and perhaps a port. */
const HOST_AND_PORT = `([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9.])?|\\[[0-9A-Fa-f:.]+\\])(:${PORT})?`
export const endpoint = (description: string, more: JsonObject = {}): Schema<string> =>
  text(description, { pattern: `^[Hh][Tt][Tt][Pp][Ss]?://${HOST_AND_PORT}/?$`, ...more })

/** Beside an endpoint that a private authority vouches for. */
export const endpointCertificates: Schema<string> = text(
  'A PEM file, relative to the stack file, with the certificates of the private authorities that vouch for the endpoint, and of no others. Those that the system knows when absent.',
  { examples: ['certificates/object-store.pem'] },
)

/** A path on a host: absolute, without parts that lead elsewhere, and without quotes in a shell. */
export const HOST_PATH = '^(/(?![.]{1,2}(/|$))[A-Za-z0-9_.-]+)+$'
/** A word that needs no quotes in a shell, in SQL, in a command of Redis and in an address. */
export const PLAIN_WORD = '^[A-Za-z0-9_][-A-Za-z0-9_.]{0,62}$'
/** A unit of systemd. */
export const UNIT_NAME = '^[A-Za-z0-9_][-A-Za-z0-9_.@]*$'
/** Name or address of a host, with its port. */
export const HOST_WITH_PORT = '^[A-Za-z0-9][-A-Za-z0-9.]*:[1-9][0-9]{0,4}$'

/** As Amazon and its likes name buckets, the older rules included; never as an address. */
export const bucketName = (description: string): Schema<string> =>
  text(description, { pattern: '^(?!.*[.]{2})(?![0-9]+([.][0-9]+){3}$)[A-Za-z0-9][-A-Za-z0-9._]{1,61}[A-Za-z0-9]$' })

/** A key in the data of a Secret. */
export const secretKey = (description: string): Schema<string> =>
  text(description, { pattern: '^(?![.]$|[.][.])[-._a-zA-Z0-9]{1,253}$' })

const PATH_PART = '[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*'
const IMAGE = [
  `([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:${PORT})?/)?`,
  `${PATH_PART}(/${PATH_PART})*`,
  '(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[0-9a-f]{64})?',
].join('')
/**
 * A reference to an image, as registries take it (github.com/distribution/reference): perhaps a host, a path in lower
 * case, a tag, a digest.
 */
export const imageName = (description: string, more: JsonObject = {}): Schema<string> =>
  text(description, { pattern: `^${IMAGE}$`, ...more })

/** One version, not a range: a different chart at the next deploy would be a change without review. */
export const exactVersion = (description: string): Schema<string> =>
  text(description, {
    pattern: '^v?[0-9]+[.][0-9]+[.][0-9]+(-[0-9A-Za-z.-]+)?([+][0-9A-Za-z.-]+)?$',
    examples: ['1.7.5'],
  })

/** A name of a host, or its address, without a port. */
export const hostName = (description: string): Schema<string> =>
  text(description, {
    pattern: '^([A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_.])?|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$',
  })

export const credentialReference: JsonObject = {
  description:
    'Where a credential is found, never its value: { env: NAME }, { file: path } or { secret: { namespace, name, key } }.',
  [MEANS]: 'reference' satisfies Meaning,
  type: 'object',
  examples: [{ env: 'ARCHIVE_SECRET_ACCESS_KEY' }],
  oneOf: [
    {
      required: ['env'],
      additionalProperties: false,
      properties: {
        env: {
          description: 'The name of an environment variable.',
          type: 'string',
          pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
        },
      },
    },
    {
      required: ['file'],
      additionalProperties: false,
      properties: { file: text('A file, relative to the stack file.') },
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
            namespace: kubernetesName('Namespace of the Secret.'),
            name: text('Name of the Secret.', { pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$' }),
            key: secretKey('Key in its data.'),
            site: text('The site that holds the Secret; the one that is worked on when absent.', {
              [MEANS]: 'site' satisfies Meaning,
            }),
          },
        },
      },
    },
  ],
}

/** An S3 access key, as references, or the login of the process. */
export const keysOrLogin: JsonObject = {
  description:
    'An S3 access key, as references; or { login: aws }: the AWS login of the process, which ends and is renewed by itself.',
  type: 'object',
  oneOf: [
    {
      required: ['accessKeyId', 'secretAccessKey'],
      additionalProperties: false,
      properties: {
        accessKeyId: credentialReference,
        secretAccessKey: credentialReference,
        sessionToken: {
          ...credentialReference,
          description:
            'Of temporary keys (OIDC, SSO, an assumed role). They end with it: keys that are kept inside a site must be lasting ones.',
        },
      },
    },
    {
      required: ['login'],
      additionalProperties: false,
      properties: {
        login: {
          description:
            'aws: the keys that the environment of the process gives (variables, web identity, container, instance), and inside a site those of the ServiceAccount of the pod.',
          enum: ['aws'],
        },
      },
    },
  ],
}

/**
 * Keys that are kept inside a site and must work at any time: temporary ones end, and a guard that cannot read closes
 * its site.
 */
export const lastingKeyPair: JsonObject = {
  description: 'A lasting S3 access key, as references.',
  type: 'object',
  required: ['accessKeyId', 'secretAccessKey'],
  additionalProperties: false,
  properties: { accessKeyId: credentialReference, secretAccessKey: credentialReference },
}

/** The same of a store that is asked with a token. */
export const lastingToken: JsonObject = {
  description: 'A token that does not end, as a reference.',
  type: 'object',
  required: ['token'],
  additionalProperties: false,
  properties: { token: credentialReference },
}

export const duration = (description: string): Schema<string> => ({
  description,
  type: 'string',
  pattern: DURATION_PATTERN,
  examples: ['90s', '5m', '26h', '30d'],
})

/** What differs per site: a mapping from site name, with an entry for each. */
export const siteMap = <T = never>(description: string, perSite: Schema<T>): Schema<Readonly<Record<string, T>>> => ({
  description,
  [MEANS]: 'by-site' satisfies Meaning,
  type: 'object',
  additionalProperties: perSite,
})
