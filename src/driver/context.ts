import type { HttpAnswer, HttpRequest } from '../clients/http-question.ts'
import type { ObjectStoreClient, ObjectStoreLocation } from '../clients/object-store-client.ts'
import type { ProcessOptions, ProcessResult } from '../clients/process.ts'
import type { SqlAnswer, SqlQuestion } from '../clients/sql-question.ts'
import type { SshAccess, SshRunner } from '../clients/ssh.ts'
import type { Sandbox } from '../domain/restore-test.ts'
import type { ComponentName, CredentialReference, SiteName, Stack } from '../domain/stack.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Once } from '../runtime/once.ts'
import type { Records } from '../witness/records.ts'
import type { PlatformKey } from './platform-key.ts'
import type { Reach } from './reach.ts'

/** All that a driver may reach. Values and clients come in; nothing is global. */
export interface DriverContext {
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
  /** Read-only SQL through the driver of a database component. Throws `sql-failed` where the query is refused. */
  sql(component: ComponentName, at: SiteName | Sandbox, query: string): Promise<SqlRows>
  /**
   * One question over HTTP: a deadline, an own authority, no redirect followed, a bounded answer. Throws `http-silent`
   * (transient) without an answer, and `lost-site-touched` as `ssh` and `run` do.
   */
  http(request: HttpRequest, reach: Reach): Promise<HttpAnswer>
  /**
   * One question in SQL over a connection of its own, to a server that speaks the wire protocol of PostgreSQL. Throws
   * `sql-silent` (transient) without an answer, and `lost-site-touched` as `http` does.
   */
  askSql(question: SqlQuestion, reach: Reach): Promise<SqlAnswer>
  /** Runs a program to its end or to its deadline; never through a shell. */
  run(command: string, args: readonly string[], options: RunOptions, reach: Reach): Promise<RunResult>
  /** A shared, authenticated connection to a host; closed with the operation. */
  ssh(access: SshAccess, reach: Reach): SshRunner
  /**
   * What never changes while the process lives, such as the length of a database's segments, is computed once per key.
   * The key begins with the kind of the driver, and names all that the value depends on.
   */
  readonly once: Once
}

export type SqlRows = readonly (readonly string[])[]

export type RunOptions = Pick<ProcessOptions, 'deadline' | 'input' | 'env' | 'purpose' | 'cwd' | 'signal'> & {
  /** People watch it: each line of its output goes to the log as it comes, masked. */
  readonly live?: true
}

export type RunResult = Pick<ProcessResult, 'code' | 'stdout' | 'stderr'>
