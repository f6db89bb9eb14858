import type { ComponentStatus, SiteStatus, StatusReport } from '../evidence/reports.ts'
import { gapText } from '../evidence/words.ts'
import { escaped, findingRows, mark, table, withinLimit } from './markdown.ts'
import { restoreTestLines } from './restore-test-lines.ts'

const VERDICT_MARKS = {
  green: '✅',
  degraded: '⚠️',
  broken: '❌',
} as const satisfies Record<StatusReport['verdict'], string>

export function statusSummary(report: StatusReport): string {
  return withinLimit(
    [
      `## ${VERDICT_MARKS[report.verdict]} ${escaped(report.stack)} is ${report.verdict}`,
      `Active: **${escaped(report.activeSite ?? 'unknown')}**, epoch ${report.epoch ?? '-'}, observed ${report.at}.`,
      sitesTable(report),
      findingRows(report.findings),
    ].join('\n\n'),
  )
}

/**
 * All sites side by side: their state, their components and the proofs of their backups; then the components that
 * belong to no single site.
 */
export function sitesTable(report: StatusReport): string {
  const names = report.sites[0]?.components.map((component) => component.name) ?? []
  const of = (site: SiteStatus, name: string): string => {
    const component = site.components.find((candidate) => candidate.name === name)
    return component === undefined ? '' : cell(component)
  }
  return table(
    ['', ...report.sites.map((site) => `${escaped(site.name)} (${site.role})`)],
    [
      ['site', ...report.sites.map((site) => `${site.reachable ? '✅' : '❌'} ${escaped(site.text)}`)],
      ...names.map((name) => [escaped(name), ...report.sites.map((site) => of(site, name))]),
      ['last restore test', ...report.sites.map((site) => restoreTestOf(site, report.at))],
      ...report.everywhere.map((component) => [
        `${escaped(component.name)}, of no single site`,
        cell(component),
        ...report.sites.slice(1).map(() => ''),
      ]),
    ],
  )
}

const cell = ({ health, text, gap }: ComponentStatus): string =>
  `${mark(health)} ${escaped(text)}${gap === null ? '' : `<br>behind: ${gapText(gap)}`}`

function restoreTestOf(site: SiteStatus, now: string): string {
  const { role, lastRestoreTest } = site
  const withoutTest = role === 'passive' ? '' : '⚠️'
  const sign = lastRestoreTest === null ? withoutTest : mark(lastRestoreTest.verdict)
  return `${sign} ${restoreTestLines(site, now).map(escaped).join('<br>')}`.trim()
}
