import type { CredentialReference } from '../domain/stack.ts'
import { isLogin, type KeyPairReference, type KeysReference, type ObjectStoreLocation } from './object-store-client.ts'
import { inOneLine, sentInHeader } from './usable-secret.ts'

/** Keys of an S3 account, as values. */
export interface AccessKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary keys: sent with every request. */
  readonly sessionToken?: string
}

/** Keys that may be others at the next request. */
export interface KeySource {
  keys(): Promise<AccessKeys>
}

/** What a client signs with: the values behind a declared pair, or the login of this process. */
export const keySource = async (
  keys: KeysReference,
  credential: (reference: CredentialReference) => Promise<string>,
  login: () => Promise<AccessKeys>,
): Promise<AccessKeys | KeySource> => (isLogin(keys) ? { keys: login } : accessKeys(keys, credential))

/** The values behind a declared pair of keys. */
export async function accessKeys(
  { accessKeyId, secretAccessKey, sessionToken }: KeyPairReference,
  credential: (reference: CredentialReference) => Promise<string>,
): Promise<AccessKeys> {
  return {
    accessKeyId: sentInHeader(await credential(accessKeyId), 'access key', accessKeyId),
    secretAccessKey: inOneLine(await credential(secretAccessKey), 'secret key', secretAccessKey),
    ...(sessionToken === undefined
      ? {}
      : { sessionToken: sentInHeader(await credential(sessionToken), 'session token', sessionToken) }),
  }
}

/** As a Secret of a site holds them, for what writes to the store from inside. */
export function accessKeysInSecret({ accessKeyId, secretAccessKey, sessionToken }: AccessKeys): Record<string, string> {
  const named = {
    ACCESS_KEY_ID: accessKeyId,
    SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken === undefined ? {} : { SESSION_TOKEN: sessionToken }),
  }
  return Object.fromEntries(
    Object.entries(named).map(([name, value]) => [name, Buffer.from(value, 'utf8').toString('base64')]),
  )
}

/** Where such a Secret holds the authorities that vouch for the store, if there are any of its own. */
export const AUTHORITIES = 'ca.crt'
export const authoritiesInSecret = ({
  authorities,
}: Pick<ObjectStoreLocation, 'authorities'>): Record<string, string> =>
  authorities === undefined ? {} : { [AUTHORITIES]: Buffer.from(authorities, 'utf8').toString('base64') }
