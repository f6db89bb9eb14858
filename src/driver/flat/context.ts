import type { HttpAnswer, HttpRequest } from '../../clients/http-question.ts'
import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import type { ObjectStoreClient, ObjectStoreLocation } from '../../clients/object-store-client.ts'
import type { SqlAnswer, SqlQuestion } from '../../clients/sql-question.ts'
import type { SshAccess, SshRunner } from '../../clients/ssh.ts'
import type { Sandbox } from '../../domain/restore-test.ts'
import type { ComponentName, CredentialReference, SiteName, Stack } from '../../domain/stack.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Log } from '../../runtime/log.ts'
import type { Once } from '../../runtime/once.ts'
import type { Records } from '../../witness/records.ts'
import type { RunOptions, RunResult, SqlRows } from '../context.ts'
import type { PlatformKey } from '../platform-key.ts'
import type { Reach } from '../reach.ts'

/** All that a driver may reach. Values and clients come in; nothing is global. */
export interface FlatContext {
  readonly stack: Stack
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly log: Log
  /** The client of a platform of a site. Throws `platform-missing` where the site declares none. */
  platform<Client>(key: PlatformKey<Client>, site: SiteName): Client
  kubernetes(site: SiteName): KubernetesClient
  /** Content of a site's kubeconfig, for programs that bring their own client. */
  kubeconfig(site: SiteName): Promise<string>
  /** The value behind a reference, masked in every output from then on. */
  credential(reference: CredentialReference, site?: SiteName): Promise<string>
  /** The object store that a component of the stack declares for a site; opened to read, unless more is asked for. */
  objectStore(
    component: ComponentName,
    site: SiteName,
  ): { readonly location: ObjectStoreLocation; open(access?: 'read' | 'write' | 'policy'): Promise<ObjectStoreClient> }
  /** Read-only SQL through the driver of a database component. */
  sql(component: ComponentName, at: SiteName | Sandbox, query: string): Promise<SqlRows>
  /** One question over HTTP, as `askOverHttp` in `clients/http-question.ts`, until the context's signal is aborted. */
  http(request: HttpRequest, reach: Reach): Promise<HttpAnswer>
  /** One question in SQL, as `askOverSql` in `clients/sql-question.ts`, until the context's signal is aborted. */
  askSql(question: SqlQuestion, reach: Reach): Promise<SqlAnswer>
  /** Runs a program to its end or to its deadline; never through a shell. */
  run(command: string, args: readonly string[], options: RunOptions, reach: Reach): Promise<RunResult>
  /** A shared, authenticated connection to a host; closed with the operation. */
  ssh(access: SshAccess, reach: Reach): SshRunner
  /** What never changes while the process lives is computed once per key. */
  readonly once: Once
  /** The newest proof that a step of this or an earlier run left, such as a backup's manifest. */
  readonly records: Records
}
