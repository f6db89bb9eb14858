/**
 * A platform's client, got by its key, so that no signature of the core names a platform: `KUBERNETES` is exported by
 * platform/kubernetes.
 */
declare const clientOf: unique symbol
export interface PlatformKey<Client> {
  readonly platform: string
  readonly [clientOf]?: Client
}
