import type { SqlAnswer, SqlServer } from '../../clients/sql-question.ts'
import type { CredentialReference, SiteName } from '../../domain/stack.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { Reach } from '../../driver/reach.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { FACTS, type ServerState, stateIn } from './facts.ts'
import { type Database, portOf, siteSpecOf } from './spec.ts'

/** Of one question to a server that is near. */
const DEADLINE: Milliseconds = seconds(5)

export interface Asking {
  readonly context: DriverContext
  readonly signal: AbortSignal
  readonly deadline?: Milliseconds
  /** Default: the site. */
  readonly reach?: Reach
  readonly writes?: true
  /** Default: the role that asks. */
  readonly as?: Role | undefined
}
export interface Role {
  readonly user: string
  readonly password: CredentialReference
}

/** A question to the server of a site. Throws `sql-silent`. */
export async function askServer(
  component: Database,
  site: SiteName,
  statements: readonly string[],
  { context, signal, deadline = DEADLINE, reach = { site }, writes, as }: Asking,
): Promise<SqlAnswer> {
  const place = { host: siteSpecOf(component, site).host, port: portOf(component, site) }
  const server = await serverAt(component, place, { as, authority: component.spec.authority }, context)
  return context.askSql({ server, statements, deadline, signal, ...(writes === undefined ? {} : { writes }) }, reach)
}

/** A server with the declared database, at a place of its own. */
export async function serverAt(
  { spec }: Database,
  place: Pick<SqlServer, 'host' | 'port'>,
  { as = spec, authority }: { readonly as?: Role | undefined; readonly authority?: CredentialReference | undefined },
  context: DriverContext,
): Promise<SqlServer> {
  const [password, certificates] = await Promise.all([
    context.credential(as.password),
    authority === undefined ? undefined : context.credential(authority),
  ])
  return {
    ...place,
    database: spec.database,
    user: as.user,
    password,
    tls: spec.tls === 'off' ? null : trusting(certificates),
  }
}

const trusting = (authority: string | undefined) => (authority === undefined ? {} : { authority })

/** What a look at a server came to. `state`: the SQLSTATE of an answer that is no rows. */
export type Looked =
  | { readonly is: 'seen'; readonly server: ServerState }
  | { readonly is: 'unknown'; readonly why: string; readonly state?: string }

/** How the server of a site is; a text says why that is not known. It throws only the reason of the signal. */
export async function lookAt(component: Database, site: SiteName, asking: Asking): Promise<Looked> {
  try {
    const answer = await askServer(component, site, [FACTS], asking)
    if (answer.is === 'refused')
      return { is: 'unknown', why: `it refuses the question: ${answer.text} (${answer.state})`, state: answer.state }
    const server = stateIn(answer.rows)
    return server === null ? { is: 'unknown', why: 'its answer is not whole' } : { is: 'seen', server }
  } catch (error) {
    asking.signal.throwIfAborted()
    const { code, message } = asStandbyError(error)
    if (code === 'lost-site-touched') throw error
    return { is: 'unknown', why: message }
  }
}
