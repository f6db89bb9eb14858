import { expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { phaseGroups } from '../../../src/actions/log.ts'
import { systemClock } from '../../../src/composition/connect.ts'
import type { Phase, PlannedStep } from '../../../src/domain/plan.ts'
import { type ProgressEvent, progressTo } from '../../../src/execution/progress.ts'
import { harmlessToRunner as harmless } from '../../../src/values/harmless-text.ts'

test('text that is quoted from a cluster cannot command the runner', () => {
  expect(harmless('::add-path::/tmp/evil')).toBe(': :add-path::/tmp/evil')
  expect(harmless('last words:\n   ::stop-commands::x\n##[set-output name=decision]continue')).toBe(
    'last words:\n   : :stop-commands::x\n## [set-output name=decision]continue',
  )
  fc.assert(
    fc.property(fc.array(fc.constantFrom(':', '::', '##[', '#', ' ', '\t', '\n', '\r', 'x')), (parts) => {
      // The runner trims a line, and obeys what begins with "::" then, or holds "##[" anywhere.
      const lines = harmless(parts.join('')).split(/\r?\n/)
      expect(lines.filter((line) => line.trim().startsWith('::') || line.includes('##['))).toEqual([])
    }),
  )
})

test('text without a command is not touched', () => {
  for (const text of ['pg-dc-a::text', 'dc-a: waiting', 'a ## b [x]', '2026-11-21T05:00:00Z'])
    expect(harmless(text)).toBe(text)
})

/** What the runner reads while something happens. */
function groupsOf(happens: (listener: (event: ProgressEvent) => void) => void): string[] {
  const written: string[] = []
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text).trim())
    return true
  })
  const groups = phaseGroups()
  happens(groups.listener)
  groups.end()
  write.mockRestore()
  return written
}
const group = (phase: string): string[] => [`::group::${phase}`, '::endgroup::']

test('each phase of a move has one log group, and a step that ends late opens none again', () => {
  const written = groupsOf((listener) => {
    for (const phase of ['PREFLIGHT', 'LOCK', 'PREFLIGHT', 'PROMOTE', 'FENCE', 'unheard of', 'GREEN'])
      listener({ kind: 'phase', at: '', phase })
  })
  expect(written).toEqual(['PREFLIGHT', 'LOCK', 'PROMOTE', 'GREEN'].flatMap(group))
})

test('a step that begins early does not take the groups of the phases before its own', () => {
  const silent = { info: () => undefined, warning: () => undefined, debug: () => undefined }
  const written = groupsOf((listener) => {
    const progress = progressTo(silent, systemClock, listener)
    const begin = (phase: Phase, mayBeginIn?: Phase) =>
      progress.begun({ phase, ...(mayBeginIn === undefined ? {} : { mayBeginIn }) } as unknown as PlannedStep, '')
    begin('LOCK')
    begin('RESTORE_AUX', 'DRAIN')
    begin('DRAIN')
    begin('PROMOTE')
    begin('RESTORE_AUX')
  })
  expect(written).toEqual(['LOCK', 'DRAIN', 'PROMOTE', 'RESTORE_AUX'].flatMap(group))
})
