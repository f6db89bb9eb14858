import type { DriverContext, SqlRows } from '../../../driver/context.ts'
import { asStandbyError } from '../../../errors/standby-error.ts'
import { seconds } from '../../../values/duration.ts'
import { askServer, serverAt } from '../ask.ts'
import { type Database, portOf, restoreOf, serverName, siteSpecOf } from '../spec.ts'
import type { RestoredCopy } from './copy-answer.ts'

/** Which running server answers: two that differ in one of the first two are two servers, whatever their addresses. */
export interface ServerIdentity {
  readonly systemId: string
  /** When its postmaster began, as seconds with six decimals: another one after each restart. */
  readonly startedAt: string
  readonly inRecovery: boolean
}
/** By site; a text says why a server is not known. */
export type SiteIdentities = Readonly<Record<string, ServerIdentity | string>>

/** Whether a restored copy is a server of its own. */
export type Apart =
  | { readonly is: 'apart'; readonly copy: ServerIdentity }
  | { readonly is: 'not-apart'; readonly why: string }
  | { readonly is: 'unknown'; readonly why: string }

/**
 * Asks the servers of all sites, then the copy, then the sites again. Only a site whose server was the same before and
 * after is known not to be the copy: one that restarts in between has two identities, and the copy may be the
 * same server once more.
 */
export async function lookApart(
  component: Database,
  copy: RestoredCopy,
  context: DriverContext,
  signal: AbortSignal,
): Promise<Apart> {
  const declared = Object.keys(component.spec.sites).find(
    (site) => siteSpecOf(component, site).host === copy.host && portOf(component, site) === copy.port,
  )
  if (declared !== undefined)
    return { is: 'not-apart', why: `${copy.host}:${copy.port} is the declared server of ${declared}` }
  const before = await identitiesOfSites(component, context, signal)
  const found = await identityOfCopy(component, copy, context, signal)
  const after = await identitiesOfSites(component, context, signal)
  return judgeApart(before, found, after)
}

/** Pure. */
export function judgeApart(before: SiteIdentities, copy: ServerIdentity | string, after: SiteIdentities): Apart {
  if (typeof copy === 'string') return { is: 'unknown', why: `the restored copy: ${copy}` }
  if (copy.inRecovery)
    return { is: 'not-apart', why: 'it is in recovery: it follows a living server, and is no restored backup' }
  const looks = [...Object.entries(before), ...Object.entries(after)]
  for (const [site, one] of looks)
    if (typeof one !== 'string' && one.systemId === copy.systemId && one.startedAt === copy.startedAt)
      return { is: 'not-apart', why: `it is the server of ${site}: both began at ${copy.startedAt}` }
  for (const [site, one] of looks)
    if (typeof one === 'string') return { is: 'unknown', why: `the server of ${site} may be the same: ${one}` }
  const restarted = Object.keys(after).find((site) => beganAt(before[site]) !== beganAt(after[site]))
  return restarted === undefined
    ? { is: 'apart', copy }
    : { is: 'unknown', why: `the server of ${restarted} restarted between two looks` }
}

const beganAt = (one: ServerIdentity | string | undefined): string | undefined =>
  typeof one === 'object' ? `${one.systemId} ${one.startedAt}` : undefined

/** Of every declared site. */
export async function identitiesOfSites(
  component: Database,
  context: DriverContext,
  signal: AbortSignal,
): Promise<SiteIdentities> {
  const asked = context.stack.sites.map(
    async ({ name }) =>
      [
        name,
        await identityIn(signal, serverName(component, name), () =>
          askServer(component, name, [IDENTITY], { context, signal }),
        ),
      ] as const,
  )
  return Object.fromEntries(await Promise.all(asked))
}

async function identityOfCopy(
  component: Database,
  { host, port }: RestoredCopy,
  context: DriverContext,
  signal: AbortSignal,
): Promise<ServerIdentity | string> {
  const server = await serverAt(component, { host, port }, copyRole(component), context)
  return identityIn(signal, `${host}:${port}`, () =>
    context.askSql({ server, statements: [IDENTITY], deadline: seconds(5), signal }, 'outside-sites'),
  )
}

/** The role that asks a restored copy, and the authority that verifies its certificate. */
export function copyRole(component: Database): Parameters<typeof serverAt>[2] {
  const { as, authority = component.spec.authority } = restoreOf(component)
  return { as, authority }
}

async function identityIn(
  signal: AbortSignal,
  name: string,
  ask: () => ReturnType<typeof askServer>,
): Promise<ServerIdentity | string> {
  try {
    const answer = await ask()
    if (answer.is === 'refused') return `${name} refuses the question: ${answer.text} (${answer.state})`
    return identityOf(answer.rows) ?? `the answer of ${name} is not whole`
  } catch (error) {
    signal.throwIfAborted()
    return asStandbyError(error).message
  }
}

const IDENTITY = `SELECT (SELECT system_identifier::text FROM pg_control_system()),
  extract(epoch FROM pg_postmaster_start_time())::text, pg_is_in_recovery()::text`

function identityOf([row = []]: SqlRows): ServerIdentity | null {
  const [systemId = '', startedAt = '', inRecovery = ''] = row
  if (systemId === '' || startedAt === '' || inRecovery === '') return null
  return { systemId, startedAt, inRecovery: inRecovery !== 'false' }
}
