import { expect, test } from '@jest/globals'
import { type Finding, type Intent, MODES } from '../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../src/domain/stack.ts'
import { drivers } from '../../src/drivers/registry.ts'
import { REASON_CODES } from '../../src/errors/reason-codes.ts'
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
  // A follow is refused where all is quiet: nothing has moved.
  const modes = MODES.filter((mode) => mode !== 'follow')
  const intents = modes.map((mode): Intent => ({ mode, from, to: mode === 'reopen' ? from : to }))
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

/** Of the core: these block plans. Their findings say themselves that something is unanswered. */
const BLOCK_A_PLAN = ['site-silent', 'witness-silent']
/** Of the core: these warn only, or end a step that was begun. */
const BLOCK_NO_PLAN = ['http-silent', 'power-control-silent', 'sql-silent']

test('each code of the core that speaks of silence stands here, as one that blocks plans or as one that blocks none', () => {
  const declared = new Set(Object.values(drivers).flatMap(({ codes }) => Object.keys(codes.table)))
  const ofCore = Object.values(REASON_CODES).flatMap((area) => Object.keys(area))
  const speaks = (code: string): boolean => /-(silent|unanswered|not-answering)$/.test(code)
  const speaking = ofCore.filter((code) => !declared.has(code) && speaks(code))
  expect(speaking.sort()).toEqual([...BLOCK_A_PLAN, ...BLOCK_NO_PLAN].sort())
})
