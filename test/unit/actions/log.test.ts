import { expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { harmless, phaseGroups } from '../../../src/actions/log.ts'

test('text that is quoted from a cluster can not command the runner', () => {
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
  for (const text of ['pg-dc-a::text', 'dc-a: waiting', 'a ## b [x]', '2026-11-21T05:00:00Z']) expect(harmless(text)).toBe(text)
})

test('each phase of a move has one log group, and a step that began early opens none again', () => {
  const written: string[] = []
  const write = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text).trim())
    return true
  })
  const groups = phaseGroups()
  for (const phase of ['PREFLIGHT', 'LOCK', 'PREFLIGHT', 'PROMOTE', 'FENCE', 'unheard of', 'GREEN'])
    groups.listener({ kind: 'phase', at: '', phase })
  groups.end()
  write.mockRestore()
  expect(written).toEqual([
    '::group::PREFLIGHT',
    '::endgroup::',
    '::group::LOCK',
    '::endgroup::',
    '::group::PROMOTE',
    '::endgroup::',
    '::group::GREEN',
    '::endgroup::',
  ])
})
