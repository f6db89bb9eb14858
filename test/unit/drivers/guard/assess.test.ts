import { expect, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { GuardState } from '../../../../src/drivers/guard/observe.ts'
import type { GuardComponent } from '../../../../src/drivers/guard/spec.ts'
import { drivers } from '../../../../src/drivers/registry.ts'
import { type GuardReport, reportIn } from '../../../../src/guard/report.ts'
import { accessRulesOf, identitiesOf } from '../../../../src/operations/access.ts'
import { bucketPolicies } from '../../../../src/witness/s3/identity-policies.ts'
import { guard } from '../../../support/flat/drivers.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
const component: GuardComponent = {
  name: 'guard',
  driver: 'guard',
  needs: [],
  spec: { image: 'node:24', witnessCredentials: keys },
}
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const NOW = '2026-11-21T12:00:00.000Z'
const report = (more: Partial<GuardReport> = {}): GuardReport => ({
  schemaVersion: 1,
  at: NOW,
  since: NOW,
  site: 'dc-a',
  decision: 'close',
  because: 'not-active',
  epoch: 5,
  activeSite: 'dc-b',
  witnessSilent: null,
  closed: [],
  open: [],
  lastClosing: null,
  configuration: '',
  closesWithin: null,
  ...more,
})
const seen = (said: GuardReport | null): Observed<GuardState> => ({
  kind: 'answering',
  state: { ready: 1, report: said },
  role: 'unknown',
  health: 'healthy',
  text: '',
  facts: [],
})
const assess = (said: GuardReport | null, intent: Intent | null = null, activeSite = 'dc-b') =>
  guard
    .assess(component, { [A]: seen(said) }, intent, {
      now: NOW,
      objectives: toyStack.objectives,
      activeSite,
      stack: toyStack,
    })
    .map(({ code, severity }) => `${code} ${severity}`)
const move = (mode: Intent['mode'], from: SiteName, to: SiteName): Intent => ({ mode, from, to })

test('a guard that watches is no finding, whatever it would close', () => {
  expect(assess(report())).toEqual([])
  expect(assess(report({ lastClosing: { at: NOW, steps: ['application.stop@dc-a'] } }))).toEqual([])
})

test('what a guard holds closed is a warning until the site is rejoined, and blocks a move to that site', () => {
  const holds = report({ closed: ['database.fence@dc-a'] })
  expect(assess(holds)).toEqual(['guard-closed warning'])
  expect(assess(holds, move('rejoin', B, A))).toEqual(['guard-closed warning'])
  expect(assess(holds, move('switchover', B, A))).toEqual(['guard-closed blocker'])
  expect(assess(holds, null, 'dc-a')).toEqual(['guard-closed blocker'])
})

test('a guard that cannot read the witness blocks a move to its site: it would close the new active site', () => {
  const blind = report({ witnessSilent: 'no answer' })
  expect(assess(blind)).toEqual(['guard-blind warning'])
  expect(assess(blind, move('failover', B, A))).toEqual(['guard-blind blocker'])
  expect(assess(blind, move('failover', A, B))).toEqual(['guard-blind warning'])
})

test('a guard that fails to close is reported, and one that says nothing is stale', () => {
  expect(assess(report({ open: [{ what: 'database', why: 'forbidden' }] }))).toEqual(['guard-cannot-close warning'])
  expect(assess(null)).toEqual(['guard-stale warning'])
  expect(assess(report({ at: '2026-11-21T11:57:59.000Z' }))).toEqual(['guard-stale warning'])
})

test('a report that is dated ahead looks fresh for ever, and is reported as one of unknown age', () => {
  expect(assess(report({ at: '2026-11-21T14:00:00.000Z' }))).toEqual(['guard-stale warning'])
})

test('a report that is malformed at any key is none, or one that everything of the guard can read: no status and no plan ends by it', () => {
  const sound = report({
    closed: ['a'],
    open: [{ what: 'b', why: 'c' }],
    lastClosing: { at: NOW, steps: ['d'] },
    witnessSilent: 'e',
  })
  const read = (value: unknown) => reportIn({ report: JSON.stringify(value) })
  expect(read(sound)).toEqual(sound)
  expect(read({ ...sound, added: 'by a later version' })).not.toBeNull()
  let none = 0
  for (const key of Object.keys(sound))
    for (const odd of [
      undefined,
      null,
      true,
      '',
      'xx',
      -1,
      0.5,
      [],
      [null],
      ['x'],
      {},
      { length: 2 },
      [{ what: 1, why: 2 }],
      [[]],
    ]) {
      const said = read({ ...sound, [key]: odd })
      none += said === null ? 1 : 0
      expect(() => assess(said)).not.toThrow()
      expect(() => assess(said, move('failover', A, B))).not.toThrow()
    }
  expect(none).toBeGreaterThan(100)
  for (const data of [
    null,
    undefined,
    'x',
    {},
    { report: 7 },
    { report: 'null' },
    { report: '[]' },
    { report: '{"at":1' },
  ])
    expect(reportIn(data)).toBeNull()
})

test('a stack whose failover waits for its guard, and which gives it no time, is warned on a quiet day', () => {
  const codes = (failover: 'traffic' | 'database' | 'archive', spec: object, intent: Intent | null = null) =>
    guard
      .assess({ ...component, spec: { ...component.spec, ...spec } }, {}, intent, {
        now: NOW,
        objectives: toyStack.objectives,
        activeSite: 'dc-a',
        stack: { ...toyStack, fencing: { switchover: 'database', failover } },
      })
      .map(({ code, severity }) => `${code} ${severity}`)
  expect(codes('database', {})).toEqual(['guard-without-time warning'])
  // An archive is not revoked from inside: what the guard holds of that level is the database, which has to be waited
  // for as well.
  expect(codes('archive', {})).toEqual(['guard-without-time warning'])
  expect(codes('database', { closeAfter: '1m' })).toEqual([])
  expect(codes('traffic', {})).toEqual([])
  expect(codes('database', {}, move('failover', A, B))).toEqual([])
})

test('the guard reads the active record and nothing else of the witness, and its rights exist only where one is declared', () => {
  const stack: Stack = {
    ...toyStack,
    witness: { driver: 's3', spec: { bucket: 'w', prefix: 'shop/' } },
    components: [component as unknown as Stack['components'][number]],
  }
  const policiesOf = (of: Stack) => bucketPolicies(of, accessRulesOf(of, drivers), identitiesOf(of, drivers))
  expect(policiesOf(stack).guard).toEqual({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'WitnessActive',
        Effect: 'Allow',
        Action: ['s3:GetObject'],
        Resource: ['arn:aws:s3:::w/shop/active.json'],
      },
    ],
  })
  const without: Stack = { ...stack, components: [] }
  expect(policiesOf(without).guard).toBeUndefined()
  expect(accessRulesOf(without, drivers).filter(({ identity }) => identity === 'guard')).toEqual([])
})
