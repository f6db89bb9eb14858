import type { StatusReport } from '../../src/evidence/reports.ts'
import { judgeLedger } from '../ledger/judge-ledger.ts'
import { lostBeyondPlan } from '../ledger/lost-beyond-plan.ts'
import { givenUp, type StoryFacts, type StoryMove } from './run-story.ts'

/** What must be true of three sites and is not; empty when all of it is. Pure. */
export function judgeStory(facts: StoryFacts): string[] {
  return [...ofMoves(facts), ...ofLedger(facts), ...ofWriters(facts), ...ofEnd(facts)]
}

const movesOf = ({ switchover, failover, rejoins }: StoryFacts): readonly StoryMove[] => [
  switchover,
  failover,
  ...rejoins,
]

function ofMoves(facts: StoryFacts): string[] {
  const ended = movesOf(facts).flatMap(({ mode, to, executed: { verdict, failure } }) =>
    verdict === 'moved' ? [] : [`the ${mode} of ${to} ended ${verdict}: ${failure?.code ?? ''} ${failure?.what ?? ''}`],
  )
  // After a failover a follower may have more than the new active site: that is named, and its rejoin ends it.
  const alone = movesOf(facts).filter(({ mode }) => mode !== 'failover')
  const { thirdSite } = facts
  // One that is parted from the new active site alone has the archive, and may come to it in time or not.
  const mayLack = (one: StoryMove, step: string): boolean =>
    thirdSite !== 'answers' && one === facts.switchover && step.endsWith('@dc-c')
  const lacking = alone.flatMap((one) =>
    givenUp(one.executed).flatMap((step) =>
      mayLack(one, step) ? [] : [`the ${one.mode} of ${one.to} gave up ${step}`],
    ),
  )
  const untold = (
    [
      [facts.switchover, 'dc-c', thirdSite === 'silent' || thirdSite === 'unseen'],
      [facts.failover, 'dc-a', thirdSite === 'silent'],
    ] as const
  ).flatMap(([one, site, silent]) =>
    silent && !givenUp(one.executed).some((step) => step.endsWith(`@${site}`))
      ? [`the ${one.mode} does not name ${site}, which was silent`]
      : [],
  )
  return [...ended, ...lacking, ...untold]
}

/**
 * Nothing that was acknowledged is lost but with the failover, and there nothing that is older than what its plan said.
 */
function ofLedger({ entries, ids, failover, lostAt }: StoryFacts): string[] {
  const verdict = judgeLedger(entries, ids)
  const [, upper] = failover.planned.plan.predictions.loss.seconds
  const older = lostBeyondPlan(entries, verdict.lostAcknowledged, {
    seconds: upper,
    lostAt,
    leftAt: failover.window.to,
  })
  return [
    ...(verdict.acknowledged === 0 ? ['no write was acknowledged'] : []),
    ...(older.length === 0
      ? []
      : [`${older.length} lost writes are older than the predicted ${upper} s, or newer than the failover`]),
    ...(verdict.ghosts.length === 0 ? [] : [`${verdict.ghosts.length} writes were said to be refused, and are there`]),
    ...(verdict.unexpected.length === 0 ? [] : [`${verdict.unexpected.length} writes are there that no client made`]),
  ]
}

/** Users are answered by one site after the other, in the order of the moves, and by none again that was left. */
function ofWriters({ entries, switchover, failover }: StoryFacts): string[] {
  const late = (site: string, after: number): number =>
    entries.filter((entry) => entry.site === site && entry.outcome === 'acknowledged' && entry.startedAt > after).length
  const [a, b, c] = [
    late('dc-a', switchover.window.to),
    late('dc-b', failover.window.to),
    late('dc-c', failover.window.to),
  ]
  return [
    ...(a === 0 ? [] : [`dc-a accepted ${a} writes after the switchover`]),
    ...(b === 0 ? [] : [`dc-b accepted ${b} writes after the failover`]),
    ...(c === 0 ? ['dc-c accepted no write after the failover'] : []),
  ]
}

function ofEnd({ before, after, undeclared, rejoins }: StoryFacts): string[] {
  const epoch = (before.epoch ?? 0) + 2 + rejoins.length
  return [
    ...(after.activeSite === 'dc-c' ? [] : [`${after.activeSite} is active in the end, and dc-c should be`]),
    ...(after.epoch === epoch
      ? []
      : [`the epoch went from ${before.epoch} to ${after.epoch}, and ${epoch} was to be expected`]),
    ...(shapeOf(before) === shapeOf(after)
      ? []
      : [`the end is not that of undisturbed moves: ${shapeOf(after)} instead of ${shapeOf(before)}`]),
    ...undeclared.slice(0, 3).map((what) => `a deploy would change something ${what}`),
  ]
}

/** Roles and health by role of the site: every site follows in the end, as before. */
function shapeOf({ sites }: StatusReport): string {
  return JSON.stringify(
    sites
      .map(({ role, components }) =>
        JSON.stringify([role, components.map(({ name, role: its, health }) => `${name} ${its} ${health}`)]),
      )
      .sort(),
  )
}
