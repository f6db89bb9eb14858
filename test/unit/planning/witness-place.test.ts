import { describe, expect, test } from '@jest/globals'
import { type Intent, MODES, type Mode } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import { witnessPlaceFindings } from '../../../src/planning/witness-place.ts'
import { toyStack } from '../../support/toy-stack.ts'

const [dcA, dcB, dcC] = ['dc-a', 'dc-b', 'dc-c'].map((name) => name as SiteName) as [SiteName, SiteName, SiteName]
const heldBy = (site: SiteName | null) => ({
  witness: { ...toyStack.witness, ...(site === null ? {} : { site }) },
})
const move = (mode: Mode, from: SiteName, to: SiteName): Intent => ({ mode, from, to })
const found = (site: SiteName | null, active: SiteName, intent: Intent | null): string[] =>
  witnessPlaceFindings(heldBy(site), active, intent).map(({ severity, code }) => `${severity} ${code}`)

describe('the place of the witness', () => {
  test('outside of all sites is said of nothing', () => {
    expect(found(null, dcA, null)).toEqual([])
    for (const mode of MODES) expect(found(null, dcA, move(mode, dcA, dcB))).toEqual([])
  })

  test('inside a site that is neither end of a move is said of nothing', () => {
    for (const mode of ['switchover', 'failover', 'follow'] as const)
      expect(found(dcC, dcA, move(mode, dcA, dcB))).toEqual([])
    expect(found(dcC, dcA, null)).toEqual([])
  })

  test('inside the active site is a warning of status: the loss of both cannot be answered', () => {
    expect(found(dcA, dcA, null)).toEqual(['warning witness-beside-active'])
  })

  test('keeps a switchover from the site that would hold both, and not the failover to the last site', () => {
    expect(found(dcC, dcA, move('switchover', dcA, dcC))).toEqual(['blocker witness-at-target'])
    expect(found(dcC, dcA, move('failover', dcA, dcC))).toEqual(['warning witness-at-target'])
  })

  test('is a warning where the move leaves it: that move is the way out', () => {
    expect(found(dcC, dcC, move('switchover', dcC, dcA))).toEqual(['warning witness-at-source'])
    expect(found(dcC, dcC, move('failover', dcC, dcA))).toEqual(['warning witness-at-source'])
    expect(found(dcC, dcC, move('follow', dcC, dcA))).toEqual(['warning witness-at-source'])
  })

  test('is no matter of what leaves the active site as it is', () => {
    for (const mode of ['rejoin', 'reopen'] as const) {
      expect(found(dcC, dcA, move(mode, dcA, dcC))).toEqual([])
      expect(found(dcC, dcC, move(mode, dcC, dcA))).toEqual([])
    }
  })
})
