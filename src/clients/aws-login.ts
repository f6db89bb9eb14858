import { Agent } from 'node:https'
import { fromHttp } from '@aws-sdk/credential-provider-http'
import { fromTokenFile } from '@aws-sdk/credential-provider-web-identity'
import { fromInstanceMetadata } from '@smithy/credential-provider-imds'
import { proxyEnvironment } from '../runtime/proxies.ts'
import type { AccessKeys } from './access-keys.ts'

/** Keys that end. */
export interface LoginKeys extends AccessKeys {
  /** Null: they say no end. */
  readonly ends: Date | null
}
type Variables = Readonly<Record<string, string | undefined>>

/** What AWS gives this process without a stored key; null where its environment shows no login of the kind. */
type Login = (env: Variables) => Promise<LoginKeys> | null

/**
 * The logins that a machine has by itself, in the order of AWS's own tools. Those of people (profiles, SSO, programs)
 * are left out: they lie in files of a home folder and start programs; `aws configure export-credentials` brings them
 * as variables.
 */
export const LOGINS: Readonly<Record<string, Login>> = {
  variables({
    AWS_ACCESS_KEY_ID: accessKeyId = '',
    AWS_SECRET_ACCESS_KEY: secretAccessKey = '',
    AWS_SESSION_TOKEN: token = '',
  }) {
    if (accessKeyId === '' || secretAccessKey === '') return null
    return Promise.resolve({
      accessKeyId,
      secretAccessKey,
      ...(token === '' ? {} : { sessionToken: token }),
      ends: null,
    })
  },
  'web identity'(env) {
    if (!isSet(env.AWS_WEB_IDENTITY_TOKEN_FILE) || !isSet(env.AWS_ROLE_ARN)) return null
    return fromTokenFile({
      webIdentityTokenFile: env.AWS_WEB_IDENTITY_TOKEN_FILE,
      roleArn: env.AWS_ROLE_ARN,
      ...(isSet(env.AWS_ROLE_SESSION_NAME) ? { roleSessionName: env.AWS_ROLE_SESSION_NAME } : {}),
      clientConfig: { ...regionOf(env), ...throughProxies() },
    })().then(keysOf)
  },
  container: (env) =>
    isSet(env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI) || isSet(env.AWS_CONTAINER_CREDENTIALS_FULL_URI)
      ? fromHttp(
          present({
            awsContainerCredentialsRelativeUri: env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI,
            awsContainerCredentialsFullUri: env.AWS_CONTAINER_CREDENTIALS_FULL_URI,
            awsContainerAuthorizationToken: env.AWS_CONTAINER_AUTHORIZATION_TOKEN,
            awsContainerAuthorizationTokenFile: env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
          }),
        )().then(keysOf)
      : null,
  instance: ({ AWS_EC2_METADATA_DISABLED: disabled = '' }) =>
    disabled.toLowerCase() === 'true' ? null : fromInstanceMetadata({ maxRetries: 1, timeout: 1_000 })().then(keysOf),
}

const present = (options: Variables): Record<string, string> =>
  Object.fromEntries(Object.entries(options).flatMap(([name, value]) => (isSet(value) ? [[name, value]] : [])))
const isSet = (value: string | undefined): value is string => value !== undefined && value !== ''

/** Without one, STS is asked in the region that AWS calls global. */
const regionOf = ({ AWS_REGION, AWS_DEFAULT_REGION }: Variables): { readonly region?: string } => {
  const region = AWS_REGION ?? AWS_DEFAULT_REGION
  return isSet(region) ? { region } : {}
}

/** The SDK makes agents of its own, which know no proxy of the environment. */
function throughProxies(): { readonly requestHandler?: { readonly httpsAgent: Agent } } {
  const proxyEnv = proxyEnvironment(process.env)
  return proxyEnv === null ? {} : { requestHandler: { httpsAgent: new Agent({ keepAlive: true, proxyEnv }) } }
}

interface Identity {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}
const keysOf = ({ accessKeyId, secretAccessKey, sessionToken, expiration }: Identity): LoginKeys => ({
  accessKeyId,
  secretAccessKey,
  ...(sessionToken === undefined ? {} : { sessionToken }),
  ends: expiration ?? null,
})
