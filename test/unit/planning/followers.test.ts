import { describe, expect, test } from '@jest/globals'
import type { BySite } from '../../../src/domain/observed.ts'
import { MODES, type Mode, PHASES, type Plan, type PlannedStep } from '../../../src/domain/plan.ts'
import type { SiteName, Stack } from '../../../src/domain/stack.ts'
import type { Observation } from '../../../src/observation/observation.ts'
import { blockers } from '../../../src/planning/findings.ts'
import { planDefects } from '../../../src/planning/plan-defects.ts'
import { planMove } from '../../../src/planning/plan-move.ts'
import type { FlatDriver } from '../../support/flat/driver.ts'
import { liftedDriver } from '../../support/flat/lifted.ts'
import { toyCode } from '../../support/toy-codes.ts'
import { toyDriver, toyStack, toyStep } from '../../support/toy-stack.ts'

const at = '2026-11-20T12:00:00.000Z'
const [dcA, dcB, dcC] = ['dc-a', 'dc-b', 'dc-c'].map((name) => name as SiteName) as [SiteName, SiteName, SiteName]
const three: Stack = {
  ...toyStack,
  sites: [
    ...toyStack.sites,
    { name: dcC, platforms: { kubernetes: { kubeconfig: { env: 'KUBECONFIG_dc-c' }, clusterId: 'uid-dc-c' } } },
  ],
}
const toy = toyDriver({ writer: 'dc-a', effects: [] })
const following: FlatDriver = {
  ...toy,
  follow: (component, follower) =>
    component.name === 'database' ? [toyStep(`database.redirect@${follower}`, 'PROTECT')] : [],
}

/** The same, and it can do what it plans. */
const able: FlatDriver = {
  ...following,
  behaviours: { ...toy.behaviours, redirect: { done: async () => ({ is: 'done', proof: {} }) } },
}

type Sites = Observation['sites']
const answering = { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 5 } as const
const silent = { kind: 'silent', why: 'no answer within 3 s', cause: 'no-answer', triedFrom: ['this runner'] } as const
const role = (is: string) => ({ kind: 'answering', state: {}, role: is, health: 'healthy', text: '', facts: [] })
const roles = (a: string, b: string, c: string) => ({
  database: { 'dc-a': role(a), 'dc-b': role(b), 'dc-c': role(c) } as BySite,
})

function seen(sites: Sites, components: Observation['components'] = {}): Observation {
  const active = { schemaVersion: 1, stack: 'toy', epoch: 4, activeSite: 'dc-a', since: at, run: 'r' } as const
  return { at, witness: { kind: 'answering', active, lock: null }, sites, components }
}
const all = seen({ 'dc-a': answering, 'dc-b': answering, 'dc-c': answering })
const without = (...gone: string[]) =>
  seen(Object.fromEntries(['dc-a', 'dc-b', 'dc-c'].map((site) => [site, gone.includes(site) ? silent : answering])))

function plan(observation: Observation, mode: Mode, driver: FlatDriver = following, stack: Stack = three): Plan {
  const loss = mode === 'failover' ? { acceptLoss: 60_000 } : {}
  return planMove(
    stack,
    observation,
    { mode, from: dcA, to: dcB, ...loss },
    { toy: liftedDriver(driver) },
    { id: 'p', nonce: 'n', toolVersion: '0' },
  )
}
const ofThird = ({ steps }: Plan): PlannedStep[] => steps.filter(({ site }) => site === dcC)
const blocking = (planned: Plan): string[] => blockers(planned.findings).map(({ code, site }) => `${code}@${site}`)

/** A reopening changes nothing for those who follow. */
// What has moved by itself is tested in follow.test.ts: for the drivers it is a failover.
const MOVING = MODES.filter((mode) => mode !== 'reopen' && mode !== 'follow')

describe.each(MOVING)('a %s in a stack of three sites', (mode) => {
  test('has the third one follow, after its users are served, and can do without it', () => {
    const [step, ...others] = ofThird(plan(all, mode))
    expect(others).toEqual([])
    expect(step).toMatchObject({ id: 'database.redirect@dc-c', phase: 'PROTECT', bestEffort: step?.deadline })
    expect(PHASES.indexOf(step?.phase ?? 'PREFLIGHT')).toBeGreaterThan(PHASES.indexOf('TRAFFIC'))
  })

  test('is the same plan whatever the third one says, or does not say', () => {
    const planned = plan(all, mode)
    for (const other of [
      plan(without('dc-c'), mode),
      plan(seen(all.sites, roles('active', 'passive', 'unknown')), mode),
    ])
      expect(other).toMatchObject({ steps: planned.steps, fencing: planned.fencing, predictions: planned.predictions })
  })

  test('tells of a third one that is silent, and is not held up by it', () => {
    const planned = plan(mode === 'failover' ? without('dc-a', 'dc-c') : without('dc-c'), mode)
    expect(blocking(planned)).toEqual([])
    expect(planned.findings).toContainEqual(
      expect.objectContaining({ code: 'site-silent', severity: 'warning', site: 'dc-c' }),
    )
  })

  test('is held up by nothing that a component says of the third one, and tells it', () => {
    const choosy: FlatDriver = {
      ...following,
      assess: (component, states, intent) =>
        Object.keys(states).map((site) => ({
          code: toyCode['not-well'],
          severity: intent === null ? 'warning' : 'blocker',
          component: component.name,
          site,
          what: `${site} is not well`,
        })),
    }
    const planned = plan(seen(all.sites, roles('active', 'passive', 'passive')), mode, choosy)
    expect(
      planned.findings.filter(({ code }) => code === 'not-well').map(({ site, severity }) => `${severity} ${site}`),
    ).toEqual(['blocker dc-a', 'blocker dc-b', 'warning dc-c'])
  })

  test('is a plan that may be signed; one whose third site acts before its users are served is none', () => {
    const planned = plan(all, mode)
    const judged = (one: Plan): string[] =>
      planDefects(one, { stack: three, drivers: { toy: liftedDriver(able) }, now: new Date(at) })
    expect(judged(planned)).toEqual([])
    const bent = (more: Partial<PlannedStep>): Plan => ({
      ...planned,
      steps: planned.steps.map((step) => (step.site === dcC ? { ...step, ...more } : step)),
    })
    expect(judged(bent({ phase: 'FENCE' }))).toContainEqual(expect.stringContaining('begins before PROTECT'))
    expect(judged(bent({ irreversible: true })).length).toBeGreaterThan(0)
    const needed = { ...planned, steps: planned.steps.map(({ bestEffort: _, ...step }) => step) }
    expect(judged(needed)).toContainEqual(expect.stringContaining('database.redirect@dc-c'))
  })

  test('refuses steps of a third one that the move would rest on', () => {
    const early = (more: Partial<PlannedStep>): FlatDriver => ({
      ...following,
      follow: (component, follower) =>
        component.name === 'database' ? [toyStep(`database.x@${follower}`, more.phase ?? 'PROTECT', more)] : [],
    })
    for (const more of [{ phase: 'GREEN' }, { irreversible: true }, { mayBeginIn: 'START' }, { site: dcA }] as const)
      expect(() => plan(all, mode, early(more))).toThrow(expect.objectContaining({ code: 'plan-defect' }))
  })
})

test('a stack of two sites has no other one', () => {
  for (const mode of MOVING)
    expect(plan(seen({ 'dc-a': answering, 'dc-b': answering }), mode, following, toyStack).steps).toEqual(
      plan(seen({ 'dc-a': answering, 'dc-b': answering }), mode, toy, toyStack).steps,
    )
})

describe('a third site that calls itself active', () => {
  const two = seen(all.sites, roles('active', 'passive', 'active'))

  test.each(['switchover', 'failover'] as const)('stands against a %s: it may be written to', (mode) => {
    expect(blocking(plan(two, mode))).toContain('active-on-passive-site@dc-c')
  })
  test('stands against no rejoin: of two lost sites that came back, one comes first', () => {
    const planned = plan(two, 'rejoin')
    expect(blocking(planned)).toEqual([])
    expect(planned.findings).toContainEqual(
      expect.objectContaining({ code: 'active-on-passive-site', severity: 'warning', site: 'dc-c' }),
    )
  })
})

test('a failover names a site that would lose less', () => {
  const ahead: FlatDriver = {
    ...following,
    ahead: ({ name }) =>
      name === 'database'
        ? [{ code: toyCode['a-finding'], severity: 'warning', site: 'dc-c', what: 'dc-c holds more' }]
        : [],
  }
  const codes = (mode: Mode): string[] => plan(all, mode, ahead).findings.map(({ code }) => code)
  expect(codes('failover')).toContain('a-finding')
  expect(codes('switchover')).not.toContain('a-finding')
})
