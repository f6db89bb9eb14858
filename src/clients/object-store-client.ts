import type { CredentialReference } from '../domain/stack.ts'
import type { Milliseconds } from '../values/duration.ts'
import type { Way } from './patience.ts'

/** Where objects are kept: declared, without a secret in it. */
export interface ObjectStoreLocation {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  /** Ends with `/`, or is empty. */
  readonly prefix: string
  /** A PEM file, relative to the stack file, with the authorities that alone vouch for the endpoint. */
  readonly endpointCA?: string
  /** What that file holds; only where clients and pods are made of the location. */
  readonly authorities?: string
  /** Of the site that writes here. */
  readonly credentials: KeysReference
  /** Of those who only read: other sites and restore tests. */
  readonly readCredentials: KeysReference
  /** Of those who may change the bucket's access policy: they close the archive of a lost site. */
  readonly policyCredentials?: KeysReference
}
/** Keys by reference, or the login of the reader: of this process, or of the pod's ServiceAccount inside a site. */
export type KeysReference = KeyPairReference | LoginReference
export interface LoginReference {
  readonly login: 'aws'
}
export const isLogin = (keys: KeysReference): keys is LoginReference => 'login' in keys
export interface KeyPairReference {
  readonly accessKeyId: CredentialReference
  readonly secretAccessKey: CredentialReference
  /** Of temporary keys. */
  readonly sessionToken?: CredentialReference
}

/** A thin S3 client with preconditions. Keys are relative to the location's prefix. */
export interface ObjectStoreClient {
  /**
   * How long the way to the store is, so far as it is known: what is bounded beside the client's own calls waits so
   * much longer.
   */
  readonly way?: Way
  get(key: string, options?: StoreCallOptions): Promise<StoredObject | null>
  head(key: string, options?: StoreCallOptions): Promise<ObjectInfo | null>
  /**
   * With a condition that does not hold, fails with code `object-store-precondition`. Returns the new version tag
   * (ETag).
   */
  put(
    key: string,
    body: string | Uint8Array,
    options?: StoreCallOptions & {
      readonly condition?: PutCondition
      readonly contentType?: string
      readonly metadata?: Readonly<Record<string, string>>
    },
  ): Promise<string>
  /** All keys below a prefix, in order; pages are followed. */
  list(
    prefix: string,
    options?: StoreCallOptions & { readonly startAfter?: string; readonly limit?: number },
  ): Promise<ObjectInfo[]>
  remove(key: string, options?: StoreCallOptions): Promise<void>
  /** A URL that reads one object for a while without further credentials: for a pod that needs just this object. */
  presignedGet(key: string, lifetime: Milliseconds): Promise<string>
  /**
   * A URL that writes one object for a while, with one content: for a host that has just this object. The request must
   * carry the header `Content-MD5` with `md5` (base64).
   */
  presignedPut(key: string, md5: string, lifetime: Milliseconds): Promise<string>
  /** The bucket's access policy; null when it has none. */
  policy(options?: StoreCallOptions): Promise<string | null>
  /** Replaces the bucket's access policy, or removes it. S3 knows no precondition for it: read it back. */
  putPolicy(policy: string | null, options?: StoreCallOptions): Promise<void>
  versioning(options?: StoreCallOptions): Promise<'enabled' | 'suspended' | 'off' | 'unknown'>
}
export type PutCondition = { readonly ifAbsent: true } | { readonly ifVersion: string }
export interface StoredObject {
  readonly body: string
  readonly version: string
}
export interface ObjectInfo {
  readonly key: string
  readonly bytes: number
  readonly version: string
  readonly modified: string
  readonly metadata?: Readonly<Record<string, string>>
}
export interface StoreCallOptions {
  readonly deadline?: Milliseconds
  readonly signal?: AbortSignal
  /** Bytes; what is larger is not read to its end, and fails with code `object-store-unreadable`. */
  readonly largest?: number
  /** Hears each time that the store asks for fewer requests, also where a later try succeeds. */
  readonly limited?: () => void
}
