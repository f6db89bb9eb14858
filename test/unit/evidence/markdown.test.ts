import { describe, expect, test } from '@jest/globals'
import type { DeployedUnit, DeployReport } from '../../../src/evidence/reports.ts'
import { deploySummary } from '../../../src/reporting/deploy-summary.ts'
import { withinLimit } from '../../../src/reporting/markdown.ts'

describe('a summary that is longer than GitHub takes', () => {
  test('stays below it, in bytes, and says that it was cut', () => {
    const cut = withinLimit('→→→→\n'.repeat(1_000), 2_000)
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(2_000)
    expect(cut).toContain('Cut here')
    expect(withinLimit('short', 2_000)).toBe('short')
  })

  test('closes what it leaves open, so that the note is read as one', () => {
    const lines = 'x\n'.repeat(1_000)
    for (const [text, end] of [
      [`<details><summary>s</summary>\n\n${lines}</details>`, '\n\n</details>\n\n_Cut here'],
      [`\`\`\`mermaid\n${lines}\`\`\``, '\n```\n\n_Cut here'],
      [`<details>\n\`\`\`text\n${lines}\`\`\`\n</details>`, '\n```\n\n</details>\n\n_Cut here'],
      [`\`\`\`text\nx\n\`\`\`\n${lines}`, 'x\n\n_Cut here'],
    ] as const) {
      const cut = withinLimit(text, 1_000)
      expect(cut).toContain(end)
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(1_000)
    }
  })
})

test('a deploy of 5,000 differences shows its findings, and the first of the differences', () => {
  const changes: DeployedUnit['changes'] = Array.from({ length: 5_000 }, (_, index) => ({
    kind: 'update',
    object: `ConfigMap infisical/${'long-name-'.repeat(20)}${index}`,
    path: `data.key-${index}`,
    from: 1,
    to: 2,
  }))
  const unit: DeployedUnit = { id: 'u', title: 't', site: null, outcome: 'would-change', changes, duration: 0 }
  const report: DeployReport = {
    schemaVersion: 1,
    stack: 'infisical',
    dryRun: true,
    verdict: 'would-change',
    units: [unit],
    findings: [{ code: 'roles-disagree', severity: 'blocker', what: 'both sites write' }],
    duration: 1_000,
    failure: null,
  }
  const summary = deploySummary(report)
  expect(summary).toContain('roles-disagree')
  expect(summary).toContain('5000 differences')
  expect(summary).toContain('And 4000 more')
  expect(summary.match(/<details>/g)).toHaveLength(1)
  expect(summary.trimEnd().endsWith('</details>')).toBe(true)
  expect(summary).not.toContain('Cut here')
})
