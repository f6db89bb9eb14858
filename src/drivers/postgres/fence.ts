import type { Intent } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type Action, type DriverStep, planStep } from '../../driver/action.ts'
import type { Plain, Seen } from '../../driver/behaviour.ts'
import { parametersOf, TEXT } from '../../driver/parameters.ts'
import type { Proof } from '../../driver/proofs.ts'
import type { Reach } from '../../driver/reach.ts'
import { asStandbyError } from '../../errors/standby-error.ts'
import { performCall } from '../../systems/declared-call/perform.ts'
import { parseLsn } from '../../systems/postgres/wal.ts'
import { type Milliseconds, seconds } from '../../values/duration.ts'
import { askServer } from './ask.ts'
import { type Ended, endOfReplica } from './demote.ts'
import type { ServerState } from './facts.ts'
import { type Begun, type DatabaseRun, look, perform, siteNamed } from './run.ts'
import { byHandFence } from './runbook.ts'
import {
  type Database,
  type DeclaredFence,
  type PostgresSpec,
  serverName,
  timeoutOf,
  valuesOf,
  withinOf,
} from './spec.ts'

export type OfFence = {
  readonly server: string
  /** The site that is shut out. */
  readonly site: string
  /** The site that takes over. */
  readonly peer: string
}
type Run = DatabaseRun<OfFence, Begun>

/**
 * Where the calls need nothing of the site, the step belongs to no site: a failover waits for nothing inside the lost
 * one.
 */
export const fenceStep = (component: Database, { mode, from, to }: Intent): DriverStep<OfFence> => {
  const outside = component.spec.fence?.through === 'outside-sites' && mode === 'failover'
  return planStep(fence, outside ? null : from, {
    phase: 'FENCE',
    fence: 'database',
    ...(outside ? { about: from } : {}),
    title: `Shuts ${serverName(component, from)} as declared, and proves that it takes no write`,
    deadline: withinOf(component),
    expected: seconds(15),
    parameters: { server: serverName(component, from), site: from, peer: to },
  })
}

/** A lost site is asked for so long: its silence proves nothing, and its answer may prove that it still writes. */
const ASKED_FOR: Milliseconds = seconds(3)
const reachOf = (site: SiteName): Reach => ({ site, mayBeLost: ASKED_FOR })

const fencing: Plain<PostgresSpec, OfFence, Ended, Begun> = {
  is: 'plain',
  done: isShut,
  async apply(run) {
    await callFence(run, 'shut')
  },
  back: {
    undo: (run) => callFence(run, 'open'),
    async undone(run) {
      const site = siteNamed(run, run.step.parameters.site)
      const looked = await look(run, site, { deadline: ASKED_FOR, reach: reachOf(site) })
      const said = await asked(run)
      if (said.is === 'shut') return { is: 'pending', waitingFor: `${run.step.parameters.server} to be open again` }
      if (looked.is === 'seen' && !looked.server.inRecovery)
        return { is: 'done', proof: { currentLsn: looked.server.currentLsn } as Proof }
      // A lost server that was silent before is as it was.
      return run.intent?.mode === 'failover' && (said.is === 'open' || declaredFence(run).isShut === undefined)
        ? { is: 'done', proof: {} }
        : { is: 'pending', waitingFor: `${run.step.parameters.server} to take writes again` }
    },
  },
}

async function callFence(run: Run, which: 'shut' | 'open'): Promise<void> {
  const site = siteNamed(run, run.step.parameters.site)
  const peer = siteNamed(run, run.step.parameters.peer)
  const { through, [which]: declared } = declaredFence(run)
  const reach: Reach = through === 'outside-sites' ? 'outside-sites' : { site }
  await perform(run, { name: `fence.${which}`, declared }, site, { peer, reach })
}

function declaredFence({ component, step }: Run): DeclaredFence {
  const { fence: declared } = component.spec
  if (declared === undefined) throw new Error(`${step.id}: no fence is declared`)
  return declared
}

/**
 * What counts as shut: a server in recovery; the declared answer, where SQL finds no primary that contradicts it; or,
 * where the fence lets Standby in, a primary without any other session. A server that refuses connections is no proof:
 * others may reach it. Nor is default_transaction_read_only, which each session sets as it likes.
 */
async function isShut(run: Run): Promise<Seen<Ended, never>> {
  const { server: name, site: named } = run.step.parameters
  const site = siteNamed(run, named)
  const { isShut: question, keepsStandbyIn } = declaredFence(run)
  const looked = await look(run, site, { deadline: ASKED_FOR, reach: reachOf(site) })
  const now = run.context.clock.now()
  if (looked.is === 'seen' && looked.server.inRecovery) return { is: 'done', proof: endOfReplica(looked.server, now) }
  const said = await asked(run)
  if (said.is === 'open') return { is: 'pending', waitingFor: `${name} to be shut: ${said.text}` }
  if (said.is === 'unknown') return { is: 'pending', waitingFor: `an answer whether ${name} is shut: ${said.text}` }
  if (looked.is === 'seen')
    return keepsStandbyIn === true
      ? withoutSessions(run, site, now)
      : { is: 'pending', waitingFor: `${name} to be shut: it answers as a primary` }
  if (said.is === 'not-declared')
    return {
      is: 'pending',
      waitingFor: `${name} to answer as a replica: that it gives no answer (${looked.why}) proves nothing`,
    }
  if (keepsStandbyIn === true && question === undefined)
    return { is: 'pending', waitingFor: `${name} to answer: ${looked.why}` }
  return {
    is: 'done',
    proof: { by: 'declared answer', systemId: '', timeline: null, endedAt: said.endedAt, fencedAt: now.toISOString() },
  }
}

type Said =
  | { readonly is: 'shut'; readonly endedAt: string | null }
  | { readonly is: 'open'; readonly text: string }
  | { readonly is: 'unknown'; readonly text: string }
  | { readonly is: 'not-declared' }

async function asked(run: Run): Promise<Said> {
  const { isShut: question, through, keepsStandbyIn } = declaredFence(run)
  if (question === undefined) return keepsStandbyIn === true ? { is: 'shut', endedAt: null } : { is: 'not-declared' }
  const { component, context, signal, step } = run
  const values = valuesOf(component, step.parameters.site, step.parameters.peer)
  const reach: Reach = through === 'outside-sites' ? 'outside-sites' : { site: siteNamed(run, step.parameters.site) }
  try {
    const asking = { values, deadline: timeoutOf(component), reach, signal }
    const { succeeded, value, text } = await performCall(question.ask, asking, context)
    if (!succeeded || value === null) return { is: 'unknown', text }
    return saysShut(value, question.says) ?? { is: 'open', text: value }
  } catch (error) {
    signal.throwIfAborted()
    return { is: 'unknown', text: asStandbyError(error).message }
  }
}

/** `stopped`, or `stopped 0/5000060`; null for any other answer. Pure. */
export function saysShut(value: string, says: string): Extract<Said, { readonly is: 'shut' }> | null {
  if (value === says) return { is: 'shut', endedAt: null }
  if (!value.startsWith(`${says} `)) return null
  const end = value.slice(says.length + 1)
  return parseLsn(end) === null ? null : { is: 'shut', endedAt: end }
}

/**
 * Sessions in the database that is asked, beside those of this role. A role that is no member of pg_monitor sees no
 * kind of a session of others (NULL): such a session counts.
 */
const SESSIONS = `SELECT count(*) FROM pg_stat_activity
  WHERE datname = current_database() AND usename IS DISTINCT FROM current_user
    AND coalesce(backend_type, 'client backend') = 'client backend';`

/** Users are kept out, and none is left inside: what comes into the WAL from now on is none of theirs. */
async function withoutSessions(run: Run, site: SiteName, now: Date): Promise<Seen<Ended, never>> {
  const { server: name } = run.step.parameters
  const { context, signal } = run
  const answer = await askServer(run.component, site, [SESSIONS], { context, signal, reach: reachOf(site) })
  const count = answer.is === 'rows' ? answer.rows[0]?.[0] : undefined
  if (count !== '0') return { is: 'pending', waitingFor: `the last ${count ?? ''} sessions of ${name} to end` }
  // After the count: whatever a session committed is before this position.
  const end = await look(run, site, { reach: reachOf(site) })
  return end.is === 'seen'
    ? { is: 'done', proof: endWithoutSessions(end.server, now) }
    : { is: 'unknown', why: end.why }
}

const endWithoutSessions = ({ systemId, timeline, currentLsn }: ServerState, now: Date): Ended => ({
  by: 'no session left',
  systemId,
  timeline,
  endedAt: currentLsn,
  fencedAt: now.toISOString(),
})

export const fence: Action<PostgresSpec, OfFence, Ended> = {
  name: 'fence',
  parameters: parametersOf<OfFence>({ server: TEXT, site: TEXT, peer: TEXT }),
  behaviour: fencing,
  byHand: byHandFence,
}
