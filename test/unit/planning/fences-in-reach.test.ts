import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Intent } from '../../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Driver, SiteDriver } from '../../../src/driver/capabilities.ts'
import { declareCodes } from '../../../src/driver/codes.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { siteViewOf } from '../../../src/observation/site-view.ts'
import { closedByGuard } from '../../../src/planning/fence-coverage.ts'
import { livenessOf } from '../../../src/planning/liveness.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import type { PlatformView } from '../../../src/platform/platform.ts'
import type { JsonObject } from '../../../src/values/json.ts'
import { toyDriverStep, toyStack } from '../../support/toy-stack.ts'

const at = '2026-11-20T12:00:00.000Z'
const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const answering: PlatformView = { kind: 'answering', identity: 'uid', version: 'v1', latency: 1 }
const silent: PlatformView = { kind: 'silent', cause: 'no-answer', why: 'no answer', triedFrom: ['this runner'] }
const stranger: PlatformView = { kind: 'stranger', identity: 'another' }
const intent: Intent = { mode: 'failover', from: A, to: B, acceptLoss: 60_000 }

type Ground = 'kubernetes' | 'hosts' | 'outside'
interface Case {
  /** What each component stands on. */
  readonly grounds: readonly Ground[]
  readonly lost: { readonly kubernetes: PlatformView; readonly hosts: PlatformView }
  /** Whether a component that stands outside answers itself. */
  readonly outside: boolean
}

/** Databases, each with a fence on the lost site and a promotion on the new one. */
const driverOn = (ground: Ground): SiteDriver<JsonObject, unknown> => ({
  kind: ground,
  scope: 'site',
  standsOn: ground === 'outside' ? null : ground,
  schema: {},
  codes: declareCodes(ground, {}),
  claims: () => [],
  access: () => [],
  observe: () => Promise.reject(new Error('planning asks nothing')),
  assess: { status: () => [] },
  losses: { loss: () => ({ of: 'writes', bytes: [0, 0], seconds: [0, 0], why: '' }) },
  moves: { failover: () => [toyDriverStep('promote', B, 'PROMOTE', { irreversible: true })] },
  fences: { levels: () => ['database'], steps: () => [toyDriverStep('stop', A, 'FENCE', { fence: 'database' })] },
  actions: [],
})
const drivers: Readonly<Record<string, Driver>> = Object.fromEntries(
  (['kubernetes', 'hosts', 'outside'] as const).map((one) => [one, driverOn(one)]),
)

const platforms = { kubernetes: {}, hosts: {} }
const stackOf = ({ grounds }: Pick<Case, 'grounds'>): Stack => ({
  ...toyStack,
  sites: [A, B].map((name) => ({ name, platforms })),
  fencing: { switchover: 'database', failover: 'traffic' },
  components: grounds.map((driver, index) => ({ name: `db-${index}`, driver, needs: [], spec: {} })),
})
const observationOf = ({ grounds, lost, outside }: Case): Observation => ({
  at,
  witness: {
    kind: 'answering',
    active: { schemaVersion: 1, stack: 'toy', epoch: 4, activeSite: A, since: at, run: 'r' },
    lock: null,
  },
  sites: { [A]: siteViewOf(lost), [B]: siteViewOf({ kubernetes: answering, hosts: answering }) },
  components: Object.fromEntries(
    grounds.map((ground, index) => {
      const up = ground === 'outside' ? outside : lost[ground].kind === 'answering'
      const seen = up
        ? ({ kind: 'answering', state: {}, role: 'active', health: 'healthy', text: '', facts: [] } as const)
        : ({ kind: 'silent', why: 'no answer' } as const)
      return [`db-${index}`, { [A]: seen }]
    }),
  ),
})

const views = fc.constantFrom(answering, silent, stranger)
const cases: fc.Arbitrary<Case> = fc.record({
  grounds: fc.array(fc.constantFrom<Ground>('kubernetes', 'hosts', 'outside'), { minLength: 1, maxLength: 5 }),
  lost: fc.record({ kubernetes: views, hosts: views }),
  outside: fc.boolean(),
})

test('a failover fences each component whose own platform answers on the lost site, and no other one', () => {
  fc.assert(
    fc.property(cases, (one) => {
      const plan = planMove(stackOf(one), observationOf(one), intent, drivers, {
        id: 'p',
        nonce: 'n',
        toolVersion: '0',
      })
      const fenced = plan.steps.filter(({ site, fence }) => site === A && fence !== undefined)
      const inReach = one.grounds.flatMap((ground, index) =>
        (ground === 'outside' ? one.outside : one.lost[ground].kind === 'answering') ? [`db-${index}`] : [],
      )
      expect(fenced.map(({ component }) => component).sort()).toEqual(inReach.sort())
    }),
    { numRuns: 300 },
  )
})

describe('a site of a cluster and of hosts', () => {
  const of = (kubernetes: PlatformView, hosts: PlatformView): Case => ({
    grounds: ['kubernetes', 'hosts'],
    lost: { kubernetes, hosts },
    outside: false,
  })
  const livenessIn = (one: Case) => livenessOf(stackOf(one), observationOf(one), drivers, A)

  test('lives while one of them answers, whatever the other one does', () => {
    expect(livenessIn(of(silent, answering)).is).toBe('up')
    expect(livenessIn(of(answering, silent)).is).toBe('up')
  })

  test('is not dead by the silence of both: one runner is one vantage point', () => {
    expect(livenessIn(of(silent, silent)).is).toBe('unknown')
  })

  test('is a stranger when one of them is, and no move is planned without a blocker', () => {
    expect(siteViewOf({ kubernetes: answering, hosts: stranger }).kind).toBe('stranger')
    const one = of(answering, stranger)
    const { findings } = planMove(stackOf(one), observationOf(one), intent, drivers, {
      id: 'p',
      nonce: 'n',
      toolVersion: '0',
    })
    expect(findings.find(({ code }) => code === 'wrong-host')).toMatchObject({ severity: 'blocker', site: A })
  })
})

describe('the guard of a cluster', () => {
  const { fences: _, moves: __, ...bare } = driverOn('kubernetes')
  const guard: Driver = {
    ...bare,
    kind: 'guard',
    selfFences: {
      levels: () => ['database'],
      selfFencing: () => ({ within: 30_000, wait: toyDriverStep('self-fencing', null, 'PROMOTE') }),
    },
  }
  const all: Readonly<Record<string, Driver>> = { ...drivers, guard }
  const plannedWith = (grounds: readonly Ground[]) => {
    const one: Case = { grounds, lost: { kubernetes: silent, hosts: silent }, outside: false }
    const base = stackOf(one)
    const stack: Stack = {
      ...base,
      fencing: { switchover: 'database', failover: 'database' },
      components: [...base.components, { name: 'guard', driver: 'guard', needs: [], spec: {} }],
    }
    return { stack, plan: planMove(stack, observationOf(one), intent, all, { id: 'p', nonce: 'n', toolVersion: '0' }) }
  }

  test('is waited for where all that is promoted stands on the cluster', () => {
    const { plan } = plannedWith(['kubernetes'])
    expect(plan.steps.find(({ byTime }) => byTime === true)).toMatchObject({ fence: 'database' })
  })

  test('closes no database on hosts, so nothing waits for it and the plan is refused', () => {
    const { stack, plan } = plannedWith(['kubernetes', 'hosts'])
    expect(plan.steps.some(({ byTime }) => byTime === true)).toBe(false)
    expect(plan.findings.find(({ code }) => code === 'fence-too-low')?.what).toContain('db-1 (hosts) cannot be closed')
    const closes = closedByGuard(stack, all)
    const closed = stack.components.filter(closes).map(({ driver }) => driver)
    expect([...new Set(closed)]).toEqual(['kubernetes'])
  })
})
