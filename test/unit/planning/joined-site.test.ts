import { describe, expect, test } from '@jest/globals'
import type { BySite, Observed } from '../../../src/domain/observed.ts'
import type { Plan } from '../../../src/domain/plan.ts'
import type { Component, Stack } from '../../../src/domain/stack.ts'
import { drivers } from '../../../src/drivers/registry.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { siteViewOf } from '../../../src/observation/site-view.ts'
import { blockers } from '../../../src/planning/findings.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import type { PlatformView } from '../../../src/platform/platform.ts'
import type { Fixture } from '../../conformance/fixture.ts'
import { helmReleaseFixture } from '../../conformance/fixtures/helm-release.ts'
import { patroniFixture } from '../../conformance/fixtures/patroni.ts'
import { A, B } from '../../conformance/fixtures/published.ts'
import { redisSentinelFixture } from '../../conformance/fixtures/redis-sentinel.ts'

/** The guides' stack: the application on Kubernetes beside PostgreSQL and Redis on machines, at each site. */
const parts = [patroniFixture, redisSentinelFixture, helmReleaseFixture]
const guardOf = (name: string, on: string, closeAfter: string | null): Component => ({
  name,
  driver: 'guard',
  needs: [],
  spec: {
    on,
    ...(on === 'kubernetes' ? { image: 'node:24' } : {}),
    witnessCredentials: { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } },
    ...(closeAfter === null ? {} : { closeAfter }),
  },
})
const stackWith = (...guards: readonly Component[]): Stack => ({
  ...patroniFixture.stack,
  fencing: { switchover: 'database', failover: 'database' },
  components: [
    ...parts.map(({ component }) => ({ ...component, needs: [] })),
    ...patroniFixture.stack.components.filter(({ driver }) => driver === 's3'),
    ...guards,
  ],
})
const bothGuards = stackWith(guardOf('guard', 'kubernetes', '1m'), guardOf('machine-guard', 'hosts', '2m'))

const answers: PlatformView = { kind: 'answering', identity: 'uid', version: 'v1', latency: 1 }
const silent: PlatformView = { kind: 'silent', cause: 'no-answer', why: 'no answer', triedFrom: ['this runner'] }
const SILENT: Observed = { kind: 'silent', why: 'no answer within 3 s' }

type Alive = 'kubernetes' | 'hosts'
/** What is seen when of dc-a this much lives; dc-b is well. */
function seen(stack: Stack, alive: readonly Alive[]): Observation {
  const viewOf = (platform: Alive): PlatformView => (alive.includes(platform) ? answers : silent)
  const statesOf = ({ component, situations }: Fixture): [string, BySite] => {
    const well = situations.find(({ intent }) => intent.mode === 'switchover')?.states ?? {}
    const lives = alive.includes(component.driver === 'helm-release' ? 'kubernetes' : 'hosts')
    return [component.name, { [A]: lives ? (well[A] ?? SILENT) : SILENT, [B]: well[B] ?? SILENT }]
  }
  const at = '2026-11-21T06:00:00.000Z'
  const active = { schemaVersion: 1, stack: stack.name, epoch: 4, activeSite: A, since: at, run: 'r' } as const
  return {
    at,
    witness: { kind: 'answering', active, lock: null },
    sites: {
      [A]: siteViewOf({ kubernetes: viewOf('kubernetes'), hosts: viewOf('hosts') }),
      [B]: siteViewOf({ kubernetes: answers, hosts: answers }),
    },
    components: Object.fromEntries(parts.map(statesOf)),
  }
}
const planned = (stack: Stack, alive: readonly Alive[]): Plan =>
  planMove(stack, seen(stack, alive), { mode: 'failover', from: A, to: B, acceptLoss: 600_000 }, drivers, {
    id: 'p',
    nonce: 'n',
    toolVersion: '0',
  })

const fencedOn = ({ steps }: Plan): string[] =>
  [...new Set(steps.flatMap((step) => (step.site === A && step.fence !== undefined ? [step.component] : [])))].sort()
const waitIn = ({ steps }: Plan) => steps.find(({ byTime }) => byTime === true)
const saying = ({ findings }: Plan, code: string) => findings.filter((one) => one.code === code)

describe('a failover from a site whose Kubernetes is dead and whose machines live', () => {
  const plan = planned(bothGuards, ['hosts'])

  test('fences what runs on the machines, and plans no step of the application there', () => {
    expect(fencedOn(plan)).toEqual(['patroni', 'sentinel-cache'])
    expect(plan.steps.filter(({ site, component }) => site === A && component === 'application')).toEqual([])
    expect(plan.fencing).toEqual({ required: 'database', planned: ['database'] })
  })

  test('waits for no guard: what takes writes is fenced and seen', () => {
    expect(waitIn(plan)).toBeUndefined()
    const promoted = plan.steps.filter(({ phase, irreversible }) => phase === 'PROMOTE' && irreversible)
    expect(promoted.map(({ component }) => component)).toEqual(expect.arrayContaining(['patroni', 'sentinel-cache']))
  })

  test('says which part is silent, and that the application there cannot be read', () => {
    expect(saying(plan, 'site-silent')).toEqual([
      expect.objectContaining({ site: A, what: expect.stringContaining('kubernetes of dc-a') }),
    ])
    expect(saying(plan, 'application-silent')).toEqual([expect.objectContaining({ severity: 'warning', site: A })])
    expect(blockers(plan.findings)).toEqual([])
  })

  test('is not refused for a guard of the machines that promises no time', () => {
    const stack = stackWith(guardOf('guard', 'kubernetes', '1m'), guardOf('machine-guard', 'hosts', null))
    expect(blockers(planned(stack, ['hosts']).findings)).toEqual([])
  })
})

describe('a failover from a site whose machines are dead and whose Kubernetes lives', () => {
  test('fences the application, and waits for the guard of the machines before anything is promoted', () => {
    const plan = planned(bothGuards, ['kubernetes'])
    expect(fencedOn(plan)).toEqual(['application'])
    expect(waitIn(plan)).toMatchObject({ component: 'machine-guard', fence: 'database', phase: 'PROMOTE' })
    expect(plan.fencing).toMatchObject({ planned: ['application', 'database'], byTime: ['database'] })
    expect(saying(plan, 'site-silent').map(({ what }) => what)).toEqual([expect.stringContaining('hosts of dc-a')])
    expect(blockers(plan.findings)).toEqual([])
  })

  test('plans the same, whichever guard is declared first', () => {
    const reversed = stackWith(guardOf('machine-guard', 'hosts', '2m'), guardOf('guard', 'kubernetes', '1m'))
    expect(waitIn(planned(reversed, ['kubernetes']))).toEqual(waitIn(planned(bothGuards, ['kubernetes'])))
  })

  test('is refused where the machines have no guard, and where theirs promises no time', () => {
    const alone = planned(stackWith(guardOf('guard', 'kubernetes', '1m')), ['kubernetes'])
    expect(blockers(alone.findings)).toEqual([
      expect.objectContaining({ code: 'fence-too-low', what: expect.stringContaining('patroni (patroni) cannot be') }),
    ])
    const timeless = stackWith(guardOf('guard', 'kubernetes', '1m'), guardOf('machine-guard', 'hosts', null))
    expect(blockers(planned(timeless, ['kubernetes']).findings)).toEqual([
      expect.objectContaining({ code: 'fence-too-low', next: expect.stringContaining('closeAfter of machine-guard') }),
    ])
  })
})

describe('a failover from a site of which nothing answers', () => {
  test('fences nothing there, and waits for the slower of its guards', () => {
    const plan = planned(bothGuards, [])
    expect(fencedOn(plan)).toEqual([])
    expect(waitIn(plan)).toMatchObject({ component: 'machine-guard' })
    expect(plan.fencing).toMatchObject({ byTime: ['application', 'database'] })
    const slowCluster = stackWith(guardOf('guard', 'kubernetes', '9m'), guardOf('machine-guard', 'hosts', '2m'))
    expect(waitIn(planned(slowCluster, []))).toMatchObject({ component: 'guard' })
  })

  test('is refused where one of the guards promises no time', () => {
    const stack = stackWith(guardOf('guard', 'kubernetes', null), guardOf('machine-guard', 'hosts', '2m'))
    expect(blockers(planned(stack, []).findings).map(({ code }) => code)).toContain('fence-too-low')
  })
})
