import type { Intent } from '../../../domain/plan.ts'
import { type Action, type DriverStep, planStep, stepOf } from '../../../driver/action.ts'
import type { Seen, StepReference } from '../../../driver/behaviour.ts'
import { listOf, parametersOf, TEXT } from '../../../driver/parameters.ts'
import type { Proof } from '../../../driver/proofs.ts'
import { minutes, seconds } from '../../../values/duration.ts'
import { codes } from '../codes.ts'
import type { PatroniState } from '../observe.ts'
import { isInRecovery, isWritable } from '../rest-api.ts'
import { type DatabaseRun, membersAt, oftenAsked, siteOf } from '../run.ts'
import { askingAll } from '../runbook.ts'
import { clusterNamed, type Database, type PatroniSpec } from '../spec.ts'
import { type Demoted, demote } from './demote.ts'

/** Nothing is promoted before it has all that the old primary wrote. */
export function catchUpStep(
  component: Database,
  { from, to }: Intent,
  members: readonly string[],
): DriverStep<OfCatchUp> {
  const demotion = stepOf(component, demote, from)
  return planStep(catchUp, to, {
    phase: 'FINAL_SYNC',
    needs: [demotion],
    title: `Waits until the members of ${clusterNamed(component, to)} have received and replayed all that ${from} wrote, up to the end of its shutdown`,
    deadline: minutes(2),
    expected: seconds(1),
    parameters: { demoted: demotion.id, members },
  })
}

type OfCatchUp = {
  /** Id of the step that demoted the old primary. */
  readonly demoted: string
  /** The members that answered when the plan was made. */
  readonly members: readonly string[]
}
interface CaughtUp extends Proof {
  readonly at: number
  readonly members: readonly string[]
}
type Run = DatabaseRun<OfCatchUp>

export const catchUp: Action<PatroniSpec, OfCatchUp, CaughtUp> = {
  name: 'catch-up',
  parameters: parametersOf<OfCatchUp>({ demoted: TEXT, members: listOf(TEXT) }),
  behaviour: {
    is: 'check',
    async done(run: Run) {
      const { demoted, members: counted } = run.step.parameters
      const demotion: StepReference<Demoted> = { id: demoted }
      const proof = run.proofOf(demotion)
      if (proof === null) return { is: 'unknown', why: `${demoted} has left no position` }
      const members = await membersAt(run, siteOf(run))
      // Of a process that goes on after the point of no return: the new site was seen at that end, and may write by
      // now.
      if (run.pastReturn && Object.values(members).some(isWritable))
        return { is: 'done', proof: { at: proof.endedAt, members: counted } }
      return caughtUp(members, counted, proof.endedAt)
    },
    changes: oftenAsked,
  },
  byHand: {
    say: (component, step) => ({
      commands: askingAll(component, step.site),
      expect:
        'received_location and replayed_location of every member are equal to those of the site that was demoted.',
      never:
        'Promote a site that is behind: what it lacks is lost. If it stays behind, take the demotion back by {"standby_cluster": null}.',
    }),
  },
}

/** Whether the members stand at a position. One that is beyond it has rows that the old primary never wrote. Pure. */
export function caughtUp(
  members: PatroniState['members'],
  counted: readonly string[],
  end: number,
): Seen<CaughtUp, never> {
  const beyond = Object.entries(members).flatMap(([name, member]) =>
    isWritable(member) || (isInRecovery(member) && member.receivedAt > end) ? [name] : [],
  )
  if (beyond.length > 0)
    return {
      is: 'failed',
      code: codes.code['patroni-history-forked'],
      why: `${beyond.join(', ')} is beyond the end of the old primary (${end}): something wrote there`,
      next: 'Find out who promoted it before anything else is done.',
    }
  const behind = counted.filter((name) => {
    const member = members[name]
    return !isInRecovery(member) || member.receivedAt !== end || member.replayedAt !== end
  })
  return behind.length === 0
    ? { is: 'done', proof: { at: end, members: counted } }
    : { is: 'pending', waitingFor: `${behind.join(', ')} to have replayed up to ${end}` }
}
