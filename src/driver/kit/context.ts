import type { ObjectStoreClient, ObjectStoreLocation } from '../../clients/object-store-client.ts'
import type { ProcessOptions } from '../../clients/process.ts'
import type { SshAccess, SshRunner } from '../../clients/ssh.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { ComponentName, CredentialReference, SiteName, Stack } from '../../domain/stack.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Milliseconds } from '../../values/duration.ts'
import type { Records } from '../../witness/records.ts'
import type { RunResult, SqlRows } from '../context.ts'

/**
 * Where a connection leads. The isolation of a failover refuses what leads into the lost site, whatever carries it: an
 * API server, ssh, a program, HTTP, an object store. `mayBeLost`: part of a fence or of traffic that stands there;
 * tried for so long, then given up by name.
 */
export type Reach = 'outside-sites' | { readonly site: SiteName; readonly mayBeLost?: Milliseconds }

/**
 * A platform's client, got by its key, so that no signature of the core names a platform: `KUBERNETES` is exported by
 * platform/kubernetes.
 */
declare const clientOf: unique symbol
export interface PlatformKey<Client> {
  readonly platform: string
  readonly [clientOf]?: Client
}

/** All that a driver may reach. Values and clients come in; nothing is global. */
export interface KitContext {
  readonly stack: Stack
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Log
  readonly records: Records
  platform<Client>(key: PlatformKey<Client>, site: SiteName): Client
  /** Content of a site's kubeconfig, for programs that bring their own client. */
  kubeconfig(site: SiteName): Promise<string>
  /** The value behind a reference, masked in every output from then on. */
  credential(reference: CredentialReference, site?: SiteName): Promise<string>
  objectStore(
    component: ComponentName,
    site: SiteName,
  ): { readonly location: ObjectStoreLocation; open(access?: 'read' | 'write' | 'policy'): Promise<ObjectStoreClient> }
  /** Read-only SQL through the driver of a database component. */
  sql(component: ComponentName, at: SiteName | Sandbox, query: string): Promise<SqlRows>
  /**
   * One question over HTTP: a deadline, an own authority, no redirect followed, a bounded answer. Throws `http-silent`
   * (transient).
   */
  http(request: HttpRequest, reach: Reach): Promise<HttpAnswer>
  run(command: string, args: readonly string[], options: KitRunOptions, reach: Reach): Promise<RunResult>
  ssh(access: SshAccess, reach: Reach): SshRunner
  /**
   * Computed once per process and key: what never changes (the length of a database's segments). Replaces the WeakMap
   * by client.
   */
  once<T>(key: string, compute: () => Promise<T>): Promise<T>
}
export type KitRunOptions = Pick<ProcessOptions, 'deadline' | 'input' | 'env' | 'purpose' | 'cwd' | 'signal'> & {
  /** People watch it: its output goes to the log line by line (through @actions/exec, masked). */
  readonly live?: boolean
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly deadline: Milliseconds
  /** PEM of a private authority; the system's own when absent. */
  readonly authority?: string
  readonly signal?: AbortSignal
  /** Bytes; default 64 KiB. */
  readonly mostBytes?: number
}
export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
