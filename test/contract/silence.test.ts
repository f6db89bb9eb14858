import { expect, test } from '@jest/globals'
import { reasonCodeMeanings } from '../../scripts/all-reason-codes.ts'
import { type Finding, type Intent, MODES } from '../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../src/domain/stack.ts'
import type { Observation, SiteView } from '../../src/observation/observation.ts'
import { blockers, findingsOf } from '../../src/planning/findings.ts'
import { isUnanswered } from '../../src/planning/unanswered.ts'
import { parseStack } from '../../src/stack/load-stack.ts'
import { kinds, pathOfStack, textOfStack } from '../support/published-stacks.ts'

// What drivers find is asked by the conformance suite.
const stack: Stack = parseStack(textOfStack('infisical-kubernetes'), pathOfStack('infisical-kubernetes'), kinds)
const [from, to] = stack.sites.map(({ name }) => name) as [SiteName, SiteName]

const AT = '2026-11-21T06:00:00Z'
const SILENT = { kind: 'silent', why: 'no answer within 3.0 s' } as const
const answering: SiteView = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 5 }
const quiet: Observation = {
  at: AT,
  witness: {
    kind: 'answering',
    active: { schemaVersion: 1, stack: stack.name, epoch: 1, activeSite: from, since: AT, run: 'r' },
    lock: null,
  },
  sites: { [from]: answering, [to]: answering },
  components: {},
}

/** What blocks moves of any kind. */
function blocking(observation: Observation): Finding[] {
  const intents = MODES.map((mode): Intent => ({ mode, from, to: mode === 'reopen' ? from : to }))
  return intents.flatMap((intent) => blockers(findingsOf(stack, observation, intent, kinds.drivers)))
}
const unmarked = (findings: readonly Finding[]): Finding[] => findings.filter((finding) => !isUnanswered(finding))

test('an answer of a site or of the witness that comes too late once never costs an approval', () => {
  expect(blocking(quiet)).toEqual([])
  const site = blocking({
    ...quiet,
    sites: { [from]: answering, [to]: { ...SILENT, cause: 'no-answer', triedFrom: ['this runner'] } },
  })
  const witness = blocking({ ...quiet, witness: SILENT })
  expect(new Set([...site, ...witness].map(({ code }) => code))).toEqual(
    new Set(['site-silent', 'other-site-may-write', 'witness-silent']),
  )
  expect(unmarked([...site, ...witness])).toEqual([])
})

/** These block plans. Their findings say themselves that something is unanswered: the conformance suite asks each driver. */
const BLOCK_A_PLAN = [
  'application-silent',
  'cache-silent',
  'database-not-answering',
  'database-silent',
  'load-balancer-silent',
  'object-store-silent',
  'patroni-silent',
  'patroni-store-silent',
  'sentinel-redis-silent',
  'sentinel-silent',
  'site-silent',
  'witness-silent',
]
/** These warn only, or end a step that was begun. */
const BLOCK_NO_PLAN = [
  'archive-silent',
  'cache-not-answering',
  'http-silent',
  'patroni-member-silent',
  'power-control-silent',
  'power-control-unanswered',
  'sentinel-member-silent',
  'sentinel-redis-member-silent',
  'sql-silent',
]

test('each code that speaks of silence stands here, as one that blocks plans or as one that blocks none', () => {
  const speaks = (code: string): boolean => /-(silent|unanswered|not-answering)$/.test(code)
  const speaking = [...reasonCodeMeanings().keys()].filter(speaks)
  expect(speaking.sort()).toEqual([...BLOCK_A_PLAN, ...BLOCK_NO_PLAN].sort())
})
