import { createHash } from 'node:crypto'
import type { Check, Sandbox } from '../../../domain/restore-test.ts'
import type { SiteName } from '../../../domain/stack.ts'
import type { DriverContext } from '../../../driver/context.ts'
import type { RestoreTestReport } from '../../../driver/restore-test.ts'
import { asStandbyError, type StandbyError, siteError } from '../../../errors/standby-error.ts'
import { type Asking, performCall } from '../../../systems/declared-call/perform.ts'
import { countsOf } from '../../../systems/postgres/count-rows.ts'
import { judgeAge, judgeContents, judgeDuration } from '../../../systems/postgres/judge-restored.ts'
import { extensionsIn } from '../../../systems/postgres/restore-manifest.ts'
import { type Milliseconds, minutes, readableDuration, seconds } from '../../../values/duration.ts'
import { serverAt } from '../ask.ts'
import { codes } from '../codes.ts'
import { type Database, restoreOf, restoreWithin, serverName, timeoutOf, valuesOf } from '../spec.ts'
import { copyRole, identitiesOfSites, lookApart, type ServerIdentity } from './apart.ts'
import { type CopyState, copyStateIn, type RestoredCopy } from './copy-answer.ts'
import { judgeManifest, judgeWritable } from './judge-dump.ts'
import { contentsOf, manifestUntil } from './manifest.ts'

/** One restore test by declared calls. */
interface Copying {
  readonly component: Database
  readonly source: SiteName
  readonly context: DriverContext
  readonly values: Asking['values']
  /** The name of the restored server. */
  readonly name: string
  /** Between two questions. */
  readonly pause: Milliseconds
}

/**
 * Has the newest backup restored by declared calls into a server of its own, and judges that server by SQL. A server
 * that may be one of a site is never judged and never removed. Throws `database-silent` before anything begins where a
 * site's server does not answer, `declared-call-refused`, and `restored-copy-not-apart` for what an earlier test left.
 */
export async function testDeclaredRestore(
  component: Database,
  source: SiteName,
  sandbox: Sandbox,
  context: DriverContext,
  pause: Milliseconds = seconds(5),
): Promise<RestoreTestReport> {
  const name = copyNameOf(component, context)
  const values = { ...valuesOf(component, source, sandbox.site), copy: name }
  const copying: Copying = { component, source, context, values, name, pause }
  const systemId = await systemIdOfSource(copying)
  await removeCopy(copying, null, context.signal)
  const begun = context.clock.now().getTime()
  const ended = await begin(copying)
    .then(() => waitForCopy(copying))
    .catch(async (error: unknown) => {
      await removedAfter(copying, null)
      throw error
    })
  if (ended.is === 'production') {
    context.log.warning(`${component.name}: ${name} is not removed, because it may be a server of a site: ${ended.why}`)
    return reportOf(copying, ended.copy, [notProduction(copying, 'fail', ended.why)])
  }
  if (ended.is !== 'apart') {
    const check =
      ended.is === 'unknown'
        ? notProduction(copying, 'inconclusive', ended.why)
        : checkOf(copying, 'restores', false, 'a server that answers', ended.why)
    return reportOf(copying, ended.is === 'unknown' ? ended.copy : null, [
      check,
      ...(await removedAfter(copying, null)),
    ])
  }
  const { copy } = ended
  const restoreDuration = context.clock.now().getTime() - begun
  const checks = await judgeCopy(copying, ended, { systemId, restoreDuration }).catch(async (error: unknown) => {
    await removedAfter(copying, copy)
    throw error
  })
  return { ...reportOf(copying, copy, [...checks, ...(await removedAfter(copying, copy))]), restoreDuration }
}

/** The same in each test of this component, so that the next one removes what a dead process left. */
export const copyNameOf = ({ name }: Pick<Database, 'name'>, { stack }: Pick<DriverContext, 'stack'>): string =>
  `standby-${name}-${createHash('sha256').update(`${stack.name}/${name}`).digest('hex').slice(0, 8)}`

/** Nothing is begun while a server is silent: it could not be told apart from the copy. Throws `database-silent`. */
async function systemIdOfSource({ component, source, context }: Copying): Promise<string> {
  const identities = await identitiesOfSites(component, context, context.signal)
  for (const [site, one] of Object.entries(identities))
    if (typeof one === 'string')
      throw codes.error(
        'database-silent',
        `the database of ${site} cannot be told apart from a restored copy: ${one}`,
        {
          retry: 'transient',
          unanswered: true,
          where: serverName(component, site),
          next: 'Test again when the databases of all sites answer.',
        },
      )
  const own = identities[source]
  return typeof own === 'object' ? own.systemId : ''
}

/** Throws `declared-call-refused`. Where no answer comes, the restore may have begun: its state tells. */
async function begin(copying: Copying): Promise<void> {
  const { component, context } = copying
  const call = restoreOf(component).begin
  try {
    const { succeeded, text } = await performCall(
      call,
      asking(copying, restoreWithin(component), context.signal),
      context,
    )
    if (!succeeded) throw refused(copying, 'begin', text)
  } catch (error) {
    const reason = asStandbyError(error)
    if (reason.retry !== 'transient') throw reason
    context.log.warning(`${component.name}: ${reason.message}`)
  }
}

const asking = ({ values }: Copying, deadline: Milliseconds, signal: AbortSignal): Asking => ({
  values,
  deadline,
  reach: 'outside-sites',
  signal,
})

const refused = ({ component, name }: Copying, call: string, text: string): StandbyError =>
  codes.error('declared-call-refused', `restore.${call} of ${name} was refused: ${text}`, {
    retry: 'never',
    where: `${component.name} restore.${call}`,
    next: `Correct the call restore.${call} in the stack file, or what refuses it; then test again.`,
  })

/** The state of the copy, by the declared call. Without an answer it is pending. */
async function stateOf({ component, context, ...copying }: Copying, signal: AbortSignal): Promise<CopyState> {
  const how = asking({ component, context, ...copying }, timeoutOf(component), signal)
  try {
    const { succeeded, value, text } = await performCall(restoreOf(component).state, how, context)
    return succeeded ? copyStateIn(value ?? '') : { is: 'pending', text }
  } catch (error) {
    signal.throwIfAborted()
    const reason = asStandbyError(error)
    if (reason.retry !== 'transient') throw reason
    return { is: 'pending', text: reason.message }
  }
}

type Ended =
  | { readonly is: 'apart'; readonly copy: RestoredCopy; readonly identity: ServerIdentity }
  | { readonly is: 'production'; readonly copy: RestoredCopy; readonly why: string }
  | { readonly is: 'unknown'; readonly copy: RestoredCopy; readonly why: string }
  | { readonly is: 'failed'; readonly why: string }

/** Asks until it is proven whether the copy is a server of its own, or the time is over. */
async function waitForCopy(copying: Copying): Promise<Ended> {
  const { component, context, pause } = copying
  const until = context.clock.now().getTime() + restoreWithin(component)
  for (let waitedFor = ''; ; ) {
    const now = await endedNow(copying)
    if (now.is !== 'unknown' && now.is !== 'pending') return now
    if (now.why !== waitedFor) context.log.info(`${component.name}: waits for ${copying.name}: ${now.why}`)
    waitedFor = now.why
    if (context.clock.now().getTime() + pause > until) {
      const late = `not within ${readableDuration(restoreWithin(component))}: ${now.why}`
      return now.is === 'pending' ? { is: 'failed', why: late } : { ...now, why: late }
    }
    await context.clock.sleep(pause, context.signal)
  }
}

async function endedNow(copying: Copying): Promise<Ended | { readonly is: 'pending'; readonly why: string }> {
  const { component, context } = copying
  const state = await stateOf(copying, context.signal)
  if (state.is !== 'serves') return { is: state.is, why: state.text }
  const { copy } = state
  const apart = await lookApart(component, copy, context, context.signal)
  if (apart.is === 'apart') return { is: 'apart', copy, identity: apart.copy }
  return { is: apart.is === 'unknown' ? 'unknown' : 'production', copy, why: apart.why }
}

/** Compares the restored server with its source and with the manifest. */
async function judgeCopy(
  copying: Copying,
  { copy, identity }: { readonly copy: RestoredCopy; readonly identity: ServerIdentity },
  than: { readonly systemId: string; readonly restoreDuration: Milliseconds },
): Promise<Check[]> {
  const { component, context } = copying
  const manifest = await manifestUntil(component, copy.takenAt, context)
  const tables = [...new Set([...restoreOf(component).tables, ...Object.keys(manifest?.counts ?? {})])]
  const server = await serverAt(component, copy, copyRole(component), context)
  const answer = await context.askSql(
    { server, statements: [contentsOf(tables)], deadline: minutes(10), signal: context.signal },
    'outside-sites',
  )
  if (answer.is === 'refused')
    throw siteError(
      'sql-failed',
      `the restored copy ${copying.name} refuses a query: ${answer.text} (${answer.state})`,
      {
        retry: 'never',
        where: `${copy.host}:${copy.port}`,
      },
    )
  const named = `${copy.database} of system id`
  return [
    checkOf(copying, 'restores', true, 'a server that answers', `${copy.host}:${copy.port}`),
    notProduction(copying, 'pass', 'another server than that of any site'),
    judgeWritable(component, identity),
    checkOf(
      copying,
      'same-database',
      copy.database === component.spec.database && identity.systemId === than.systemId,
      `${component.spec.database} of system id ${than.systemId}`,
      `${named} ${identity.systemId}`,
    ),
    ...judgeManifest(component, { manifest }),
    ...judgeContents(component, manifest, { counts: countsOf(answer.rows), extensions: extensionsIn(answer.rows) }),
    ageOf(copying, copy),
    judgeDuration(component, than.restoreDuration, context.stack.objectives.restoreTime),
  ]
}

/** A time in the future is wrong, and so proves no age. */
function ageOf({ component, context }: Copying, { takenAt }: RestoredCopy): Check {
  const now = context.clock.now()
  const age = judgeAge(component, takenAt, now, context.stack.objectives.backupAge)
  return Date.parse(takenAt) > now.getTime() + minutes(5)
    ? { ...age, outcome: 'inconclusive', found: `of ${takenAt}, which is in the future` }
    : age
}

const notProduction = ({ component }: Copying, outcome: Check['outcome'], found: string): Check => ({
  id: 'not-production',
  component: component.name,
  outcome,
  expected: 'a server of its own',
  found,
})
const checkOf = ({ component }: Copying, id: string, good: boolean, expected: string, found: string): Check => ({
  id,
  component: component.name,
  outcome: good ? 'pass' : 'fail',
  expected,
  found,
})

const reportOf = (
  { name, context }: Copying,
  copy: RestoredCopy | null,
  checks: readonly Check[],
): RestoreTestReport => ({
  backup: { id: name, takenAt: copy?.takenAt ?? context.clock.now().toISOString(), bytes: null },
  checks,
  restoreDuration: 0,
})

/** Removes the copy, also after a cancelled test. Where that fails, a check says that the copy is left. */
async function removedAfter(copying: Copying, proven: RestoredCopy | null): Promise<Check[]> {
  const { component, context, name } = copying
  try {
    await removeCopy(copying, proven, AbortSignal.timeout(restoreWithin(component)))
    return []
  } catch (error) {
    const { message } = asStandbyError(error)
    context.log.warning(`${component.name}: the restored copy ${name} is left: ${message}`)
    const check = checkOf(copying, 'copy-removed', false, `${name} is removed`, message)
    return [{ ...check, outcome: 'inconclusive' }]
  }
}

/**
 * Has the copy removed. Where something serves under its name, it must be known to be a server of its own: it is the
 * `proven` one, or it is looked at. Throws `restored-copy-not-apart`, `declared-call-refused`.
 */
async function removeCopy(copying: Copying, proven: RestoredCopy | null, signal: AbortSignal): Promise<void> {
  const { component, context } = copying
  const state = await stateOf(copying, signal)
  if (state.is === 'serves' && !(state.copy.host === proven?.host && state.copy.port === proven.port)) {
    const apart = await lookApart(component, state.copy, context, signal)
    if (apart.is !== 'apart') throw notApart(copying, apart.why)
  }
  const end = restoreOf(component).end
  const { succeeded, text } = await performCall(end, asking(copying, restoreWithin(component), signal), context)
  if (!succeeded) throw refused(copying, 'end', text)
}

const notApart = ({ component, name }: Copying, why: string): StandbyError =>
  codes.error('restored-copy-not-apart', `${name} is not removed: ${why}`, {
    retry: 'never',
    where: `${component.name} restore.state`,
    next: `Look at ${name} yourself: correct the call restore.state, or remove what it left.`,
  })
