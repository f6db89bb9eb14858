import type { HttpRequest } from '../../src/clients/http-question.ts'
import type { JsonObject } from '../../src/values/json.ts'
import type { Certified } from './authority.ts'

/** The store of one site, which Patroni keeps its state in. */
export interface StoreOfTest {
  /** For the stack file. */
  readonly url: string
  /** The part of the configuration of Patroni that leads to it. */
  readonly configuration: JsonObject
  /** Starts it again after it was killed, with its data. */
  start(): Promise<void>
  kill(): Promise<void>
  /** The value of a key, whose name has no `/` before it. */
  read(key: string): Promise<string>
  /** The configuration of Patroni that a request of the driver to this store would write; null: it writes none. */
  configIn(request: HttpRequest): JsonObject | null
}
export interface StoresOfTest {
  readonly kind: 'etcd' | 'consul'
  /** The servers of all sites are one store: one Patroni cluster spans the sites. Absent: each site has its own. */
  readonly spansSites?: true
  of(site: string): StoreOfTest
  /** At the end of the process. */
  killNow(): void
  stop(): Promise<void>
}
/**
 * Starts a store for each site, and returns when all of them answer. With certificates they have TLS, and demand the
 * certificate of a client.
 */
export type StartStores = (sites: readonly string[], certified?: Certified | null) => Promise<StoresOfTest>
