import { acceptedLossText } from '../domain/accepted-loss.ts'
import { leavesLostSite } from '../domain/plan.ts'
import type { PlanReport } from '../evidence/reports.ts'
import { schedule, sequenceOf } from '../planning/order-steps.ts'

import { readableDuration } from '../values/duration.ts'
import { escaped, findingRows, table, withinLimit } from './markdown.ts'
import {
  directionOf,
  fencingText,
  learnedText,
  livenessText,
  lossText,
  needsOfLostSiteText,
  noWayBackText,
  refusalPredicted,
} from './move-words.ts'
import { sitesTable } from './status-summary.ts'

const strong = (text: string): string => (text === '' ? '' : `**${text}**`)

/** What a reviewer reads before approving: direction, predictions, both sites, findings, steps, digest. */
export function planSummary(report: PlanReport): string {
  const { plan, status } = report
  const times = schedule(plan.steps)
  const refused = refusalPredicted(plan)
  const steps = sequenceOf(plan.steps).map((step) => [
    `+${((times.get(step.id)?.begins ?? 0) / 1000).toFixed(1)} s`,
    readableDuration(step.expected),
    step.phase,
    step.id,
    escaped(step.title),
    strong(noWayBackText(step, plan.intent)),
  ])
  return withinLimit(
    [
      `## ${report.executable ? '✅' : '❌'} Plan for ${escaped(plan.stack.name)}: ${directionOf(plan.intent)}`,
      report.executable
        ? `Approve only if this digest is the one that you reviewed:\n\n\`${report.digest}\``
        : '**This move is refused**: see the findings.',
      table(
        ['prediction', ''],
        [
          ['in all', readableDuration(plan.predictions.duration)],
          ...(refused === null ? [] : [refused]),
          ['these times', learnedText(plan)],
          ['data lost', escaped(lossText(plan.predictions.loss))],
          ...(plan.intent.acceptLoss === undefined
            ? []
            : [['loss accepted', acceptedLossText(plan.intent.acceptLoss)]]),
          ['fence', escaped(fencingText(plan.fencing))],
          ...(leavesLostSite(plan.intent) ? [[`needs of ${plan.intent.from}`, needsOfLostSiteText(plan)]] : []),
          ['seen', escaped(livenessText(plan.liveness))],
          ['epoch', `${plan.epoch} → ${plan.epoch + 1}`],
          ['expires', plan.expiresAt],
        ],
      ),
      sitesTable(status),
      findingRows(plan.findings),
      table(['begins', 'takes', 'phase', 'step', 'what it does', ''], steps),
    ].join('\n\n'),
  )
}
