import { abortApproval } from '../approval/resume-approval.ts'
import type { World } from '../composition/connect.ts'
import type { Approval } from '../domain/approval.ts'
import type { NamedFact, Plan } from '../domain/plan.ts'
import { asStandbyError, inputError, type StandbyError } from '../errors/standby-error.ts'
import type { MoveReport } from '../evidence/reports.ts'
import { courseOf, refuseUnfenced } from '../execution/course-of-plan.ts'
import { isOfMove } from '../planning/lock-findings.ts'
import { digestOf } from '../planning/plan-digest.ts'
import { nearest } from '../stack/nearest.ts'
import { type Milliseconds, minutes } from '../values/duration.ts'
import { approvalDocument, lockDocument, planDocument } from '../witness/documents.ts'
import type { Asked } from '../witness/journal.ts'
import { approvalKey, isName, LOCK, planKey, RUNS } from '../witness/keys.ts'
import { readLock } from '../witness/lock.ts'
import { runOfHolder } from '../witness/lock-holder.ts'
import { patientStore } from '../witness/patient-store.ts'
import { readDocument, tryDocument } from '../witness/read-document.ts'
import { sayNoEvidence } from './leave-evidence.ts'
import { howFar, refuseRiskier } from './may-resume.ts'
import { observeDeclared } from './observe-declared.ts'
import { refuseExpired, refuseOtherThanApproved, refuseOtherVersion, revalidatePlan } from './revalidate.ts'
import { carryOut, refusedReport } from './run-move.ts'
import type { RunOfPlan } from './run-of-plan.ts'
import { refuseWrongClock } from './wrong-clock.ts'

/** A run that another process began, as the witness has it. */
export interface KeptRun {
  readonly run: string
  readonly plan: Plan
  /** The stored approval: its author is unknown and its content is not proven. */
  readonly approval: unknown
}

/** How long a process that continues a run waits for a silent witness, because users may be shut out meanwhile. */
const PATIENCE: Milliseconds = minutes(1)

/** The witness for reading a run. The run itself writes, with its own patience. */
export const patiently = ({
  store,
  clock,
  log,
  signal,
}: Pick<World, 'store' | 'clock' | 'log' | 'signal'>): Pick<World, 'store'> => ({
  store: patientStore(store, { clock, log, signal, patience: PATIENCE }),
})

/**
 * The named run, or the run that has not released its lock. Throws `run-unknown`, and `witness-damaged` when its plan
 * cannot be read.
 */
export async function readRun(world: Pick<World, 'store'>, named: string | null): Promise<KeptRun> {
  const run = named ?? (await unfinishedRun(world))
  if (!isName(run)) throw await unknownRun(world, run)
  const [plan, approval] = await Promise.all([
    readDocument(world.store, planDocument, planKey(run)),
    tryDocument(world.store, approvalDocument, approvalKey(run)),
  ])
  if (plan === null) throw await unknownRun(world, run)
  // A damaged or missing approval allows nothing, but it does not prevent taking the run back or approving its end
  // anew.
  return { run, plan: plan.record, approval: approval?.kind === 'sound' ? approval.record : null }
}

/**
 * Continues a run that its process left: forward with `resume`, back with `abort`, as long as that is possible.
 * `allowed` gives the approval, or throws why there is none; the approval in the witness is not trusted by itself. A
 * run that never held its lock has changed nothing: it is judged as one that begins now. A run of another version is
 * refused before its other objects are read.
 */
export async function continueFailover(
  world: World,
  kept: KeptRun,
  how: 'resume' | 'abort',
  allowed: () => Promise<Approval>,
  asked: Asked | null = null,
): Promise<MoveReport> {
  const begun = world.clock.now()
  const { plan, run } = kept
  const common = { plan, run, how, ...(asked === null ? {} : { asked }) }
  // Without a proof the run counts as not approved: the witness does not prove who approved it.
  const withoutApproval = abortApproval({
    run,
    digest: digestOf(plan),
    requestedBy: asked?.by ?? 'unknown',
    reason: asked?.reason ?? null,
  })
  let of: RunOfPlan = { ...common, approval: withoutApproval }
  const started: { facts: readonly NamedFact[] | null } = { facts: null }
  const hear = (facts: readonly NamedFact[]): void => {
    started.facts = facts
  }
  try {
    refuseOtherVersion(common)
    const far = how === 'resume' ? await howFar(world, kept) : null
    if (far?.is === 'not-begun') await refuseExpired(world, kept.plan)
    of = { ...common, approval: await allowed() }
    await refuseOtherThanApproved(world, of)
    const observation =
      far?.is === 'not-begun' ? await revalidatePlan(world, kept.plan, kept.run, hear) : await observeDeclared(world)
    refuseWrongClock(observation)
    if (how === 'resume') refuseUnfenced(courseOf(kept.plan, world.stack, world.drivers), kept.plan)
    if (far !== null) refuseRiskier(world, kept.run, kept.plan, observation, far)
  } catch (error) {
    return await refusedReport(world, of, begun, asStandbyError(error), started.facts)
  }
  world.log.info(
    `run ${of.run} is ${how === 'resume' ? 'continued' : 'taken back'}; if this process dies: standby failover ${how} --run ${of.run}`,
  )
  return carryOut(world, of, begun, started.facts).catch(async (error: unknown) => {
    const reason = asStandbyError(error)
    if (TOO_LATE.includes(reason.code)) await refusedReport(world, of, begun, reason)
    else sayNoEvidence(world, of.run, reason.message)
    throw error
  })
}

/** A refusal by the run's own journal, before this process has written or done anything. */
const TOO_LATE = ['run-ended', 'past-point-of-no-return', 'plan-stale']

async function unfinishedRun(world: Pick<World, 'store'>): Promise<string> {
  const lock = await readLock(world.store)
  if (lock !== null && !lock.record.released && isOfMove(lock.record)) return runOfHolder(lock.record.holder)
  throw inputError('run-unknown', 'no run has kept its lock: nothing is unfinished', {
    next: 'Name the run with --run, if you mean an older one.',
  })
}

async function unknownRun(world: Pick<World, 'store'>, run: string): Promise<StandbyError> {
  const lock = await tryDocument(world.store, lockDocument, LOCK)
  // After `move-unfinished` a person needs an advice that does not name a run which does not exist.
  if (lock?.kind === 'sound' && !lock.record.released && runOfHolder(lock.record.holder) === run)
    return inputError(
      'run-unknown',
      `lock.json in the witness names the run ${run}, and the witness holds no plan of that run`,
      {
        where: `witness ${LOCK}`,
        next: `Put the plan of the run back (the witness keeps it). Where there never was such a run: ${lockDocument.next}`,
      },
    )
  // The folder also has the journals of backups: only a run with a plan can be continued.
  const plans = (await world.store.list(RUNS)).filter((key) => key.endsWith('/plan.json'))
  const runs = plans.map((key) => key.split('/')[1] ?? '')
  const meant = nearest(run, runs)
  return inputError('run-unknown', `the witness knows no run ${run}`, {
    next: meant === null ? `The newest are: ${runs.slice(-3).join(', ') || 'none'}.` : `Did you mean ${meant}?`,
  })
}
