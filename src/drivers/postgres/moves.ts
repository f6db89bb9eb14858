import type { FenceLevel } from '../../domain/fence-levels.ts'
import type { Intent, KeptData } from '../../domain/plan.ts'
import type { SiteName } from '../../domain/stack.ts'
import { type DriverStep, stepOf } from '../../driver/action.ts'
import type { StepReference } from '../../driver/behaviour.ts'
import type { StatesPerSite } from '../../driver/capabilities.ts'
import { catchUp, catchUpStep } from './catch-up.ts'
import { compareStep } from './compare.ts'
import { demote, demoteStep, type Ended } from './demote.ts'
import { drain, drainStep } from './drain.ts'
import type { ServerState } from './facts.ts'
import { fence, fenceStep } from './fence.ts'
import { followStep, rejoinStep } from './follow.ts'
import { openStep } from './open.ts'
import { promoteStep } from './promote.ts'
import { type Database, serverName } from './spec.ts'

type States = StatesPerSite<ServerState>

const serverIn = (states: States, site: SiteName): ServerState | null => {
  const seen = states[site]
  return seen?.kind === 'answering' ? seen.state : null
}

/** The old primary ends, and says where; the replica reaches that end, and is promoted; the old one follows. Pure. */
export function switchoverSteps(component: Database, states: States, intent: Intent): DriverStep[] {
  const { from, to } = intent
  const { demote: demotion, rejoin } = component.spec
  const demotes = demotion !== undefined
  const ended = demotes ? stepOf(component, demote, from) : stepOf(component, fence, from)
  const ending = demotes ? demoteStep(component, intent, serverIn(states, from)) : fenceStep(component, intent)
  return [
    ...(demotes || component.spec.fence !== undefined ? [ending] : []),
    catchUpStep(component, intent, ended),
    promoteStep(component, intent, { replayed: stepOf(component, catchUp, to), ended, lastSeenAt: null }),
    ...(demotes ? [followStep(component, from, intent)] : []),
    ...(!demotes && rejoin !== undefined ? [rejoinStep(component, from, to, 'PROTECT')] : []),
  ]
}

/**
 * What is done on `intent.to`, and the fence that needs nothing of the lost site. A fence through the site is planned
 * apart, where its database still answers. Pure.
 */
export function failoverSteps(component: Database, states: States, intent: Intent): DriverStep[] {
  const outside = component.spec.fence?.through === 'outside-sites'
  const lost = serverIn(states, intent.from)
  return [
    ...(outside ? [fenceStep(component, intent)] : []),
    drainStep(component, intent, serverIn(states, intent.to)),
    promoteStep(component, intent, {
      replayed: stepOf(component, drain, intent.to),
      ended: endingOf(component, intent.from),
      lastSeenAt: lost?.currentLsn ?? null,
    }),
  ]
}

/** The step by which a lost primary is shut, if any is declared. */
const endingOf = (component: Database, site: SiteName): StepReference<Ended> | null => {
  if (component.spec.fence !== undefined) return stepOf(component, fence, site)
  return component.spec.demote === undefined ? null : stepOf(component, demote, site)
}

/** On a lost site whose database answers. One in recovery accepts no write as it is. Pure. */
export function fenceSteps(component: Database, states: States, intent: Intent): DriverStep[] {
  const { fence: declared, demote: demotion } = component.spec
  const server = serverIn(states, intent.from)
  if (server?.inRecovery !== false) return []
  if (declared !== undefined) return declared.through === 'site' ? [fenceStep(component, intent)] : []
  return demotion === undefined ? [] : [demoteStep(component, intent, server)]
}

export const levelsOf = ({ spec }: Database): readonly FenceLevel[] =>
  spec.fence === undefined && spec.demote === undefined ? [] : ['database']

export const rejoinSteps = (component: Database, intent: Intent): DriverStep[] => [
  compareStep(component, intent),
  rejoinStep(component, intent.to, intent.from, 'START'),
]

export const reopenSteps = (component: Database, intent: Intent): DriverStep[] =>
  component.spec.fence === undefined ? [] : [openStep(component, intent)]

/** A third site streams from the new primary, where a call has it do so. A rejoin changes nothing for it. */
export const followerSteps = (component: Database, follower: SiteName, intent: Intent): DriverStep[] =>
  component.spec.follow === undefined || intent.mode === 'rejoin' || intent.mode === 'reopen'
    ? []
    : [followStep(component, follower, intent)]

/** A switchover replays all before it promotes. Pure. */
export function keptData(component: Database, { mode, from, to }: Intent): KeptData {
  const [old, other] = [serverName(component, from), serverName(component, to)]
  return mode === 'rejoin'
    ? { carried: false, what: `what exists only in ${other} is counted in bytes, and goes when it is made anew` }
    : { carried: true, what: `the last write of ${old} is replayed on ${other} before that is promoted` }
}
