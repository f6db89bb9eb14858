import type { SqlAnswer, SqlServer } from '../../clients/sql-question.ts'
import type { SiteName } from '../../domain/stack.ts'
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
}

/** A question to the server of a site. Throws `sql-silent`. */
export async function askServer(
  component: Database,
  site: SiteName,
  statements: readonly string[],
  { context, signal, deadline = DEADLINE, reach = { site }, writes }: Asking,
): Promise<SqlAnswer> {
  const server = await serverOf(component, siteSpecOf(component, site).host, portOf(component, site), context)
  return context.askSql({ server, statements, deadline, signal, ...(writes === undefined ? {} : { writes }) }, reach)
}

/** The same role and authority, wherever it listens. */
export async function serverOf(
  { spec }: Database,
  host: string,
  port: number,
  context: DriverContext,
): Promise<SqlServer> {
  const { database, user, password, tls, authority } = spec
  const [secret, certificates] = await Promise.all([
    context.credential(password),
    authority === undefined ? undefined : context.credential(authority),
  ])
  return {
    host,
    port,
    database,
    user,
    password: secret,
    tls: tls === 'off' ? null : trusting(certificates),
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
