import { describe, expect, test } from '@jest/globals'
import type { Observed } from '../../../src/domain/observed.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { Observation, SiteView } from '../../../src/observation/observation.ts'
import { livenessOf, verdictOf } from '../../../src/planning/liveness.ts'
import { toyStack } from '../../support/toy-stack.ts'

const SITE = 'dc-a' as SiteName
const AT = '2026-11-30T03:00:00Z'
const silent: SiteView = { kind: 'silent', cause: 'no-answer', why: 'no answer', triedFrom: ['this runner'] }
const answering: SiteView = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 5 }
const active = { schemaVersion: 1, stack: 'toy', epoch: 1, activeSite: 'dc-a', since: AT, run: 'r' } as const

function saysOf(witness: Observation['witness'], other: SiteView): string[] {
  const components: Record<string, Record<string, Observed>> = {}
  const observation: Observation = { at: AT, witness, sites: { 'dc-a': silent, 'dc-b': other }, components }
  return livenessOf(toyStack, observation, {}, SITE).sightings.map(({ says }) => says)
}

describe('whether a site is alive', () => {
  test('a runner that reaches neither the witness nor any site is cut off itself, and does not vote', () => {
    expect(saysOf({ kind: 'silent', why: 'no answer' }, silent)).toEqual(['unknown'])
  })

  test('a runner that reaches the witness, or another site, votes', () => {
    expect(saysOf({ kind: 'answering', active, lock: null }, silent)).toEqual(['down'])
    expect(saysOf({ kind: 'silent', why: 'no answer' }, answering)).toEqual(['down'])
  })

  test('one vantage point sees it alive, and two different ones call it dead', () => {
    const signal = (from: string, says: 'up' | 'down' | 'unknown') => ({ from, says, what: '' })
    expect(verdictOf([signal('lb-1', 'up'), signal('lb-2', 'down'), signal('this runner', 'down')])).toBe('up')
    expect(verdictOf([signal('lb-1', 'down'), signal('lb-2', 'down')])).toBe('down')
    expect(verdictOf([signal('lb-1', 'down'), signal('lb-1', 'down'), signal('lb-2', 'unknown')])).toBe('unknown')
  })
})
