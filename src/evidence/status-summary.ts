import type { SiteStatus, StatusReport } from '../operations/reports.ts'
import { escaped, findingRows, mark, table, withinLimit } from './markdown.ts'
import { gapText } from './words.ts'

export function statusSummary(report: StatusReport): string {
  const names = report.sites[0]?.components.map((component) => component.name) ?? []
  const rows = names.map((name) => [
    escaped(name),
    ...report.sites.map((site) => {
      const component = site.components.find((candidate) => candidate.name === name)
      return component === undefined
        ? ''
        : `${mark(component.health)} ${escaped(component.text)}${component.gap === null ? '' : `<br>behind: ${gapText(component.gap)}`}`
    }),
  ])
  const everywhere = report.everywhere.map((component) => [
    escaped(component.name),
    `${mark(component.health)} ${escaped(component.text)}`,
    ...report.sites.slice(1).map(() => ''),
  ])
  return withinLimit(
    [
      `## ${report.verdict === 'green' ? '✅' : report.verdict === 'degraded' ? '⚠️' : '❌'} ${escaped(report.stack)} is ${report.verdict}`,
      `Active: **${escaped(report.activeSite ?? 'nobody knows')}**, epoch ${report.epoch ?? '-'}, observed ${report.at}.`,
      table(
        ['', ...report.sites.map((site) => `${escaped(site.name)} (${site.role})`)],
        [
          ['site', ...report.sites.map((site) => `${site.reachable ? '✅' : '❌'} ${escaped(site.text)}`)],
          ...rows,
          ['last restore test', ...report.sites.map(restoreTestOf)],
          ...everywhere,
        ],
      ),
      findingRows(report.findings),
    ].join('\n\n'),
  )
}

export const restoreTestOf = ({ lastRestoreTest }: SiteStatus): string =>
  lastRestoreTest === null ? '-' : `${lastRestoreTest.verdict}<br>${lastRestoreTest.at}`
