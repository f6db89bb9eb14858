import { describe, expect, test } from '@jest/globals'
import { EVERYWHERE, type Observed } from '../../../../src/domain/observed.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { InstanceState, Server } from '../../../../src/drivers/haproxy/instance.ts'
import type { Traffic } from '../../../../src/drivers/haproxy/spec.ts'
import type { InstanceView as ViewOf } from '../../../../src/systems/traffic/load-balancers.ts'
import { haproxy } from '../../../support/flat/drivers.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { failover, rejoin, switchover, trafficOver } from '../../../support/traffic.ts'

type InstanceView = ViewOf<InstanceState>

const component = trafficOver({ 'lb-1': 'http://lb-1/', 'lb-2': 'http://lb-2/' })
const backend = (...servers: Server[]) => ({ sessions: 0, servers })
const up = backend({ name: 'one', up: true, check: 'L7OK' })
const down = backend({ name: 'one', up: false, check: 'L4TOUT' })
const serving = (more: Partial<Extract<InstanceView, { kind: 'answering' }>> = {}): InstanceView => ({
  kind: 'answering',
  runtime: 'dc-a',
  file: 'dc-a',
  backends: { 'dc-a': up, 'dc-b': up },
  ...more,
})
const dead: InstanceView = { kind: 'silent', why: 'Connection refused' }

function findings(
  views: Readonly<Record<string, InstanceView>>,
  intent: Intent | null,
  activeSite: string | null = 'dc-a',
  of: Traffic = component,
) {
  const seen = {
    kind: 'answering',
    state: { instances: views },
    role: 'unknown',
    health: 'healthy',
    text: '',
    facts: [],
  } satisfies Observed
  const assessment = { now: '2026-11-21T00:00:00Z', objectives: toyStack.objectives, activeSite, stack: toyStack }
  return haproxy
    .assess(of, { [EVERYWHERE]: seen }, intent, assessment)
    .map(({ code, severity }) => `${severity} ${code}`)
}

describe('a switchover', () => {
  test('has nothing against load balancers that all serve the active site', () => {
    expect(findings({ 'lb-1': serving(), 'lb-2': serving() }, switchover)).toEqual([])
  })

  test('does not begin while one load balancer is out of reach: its users would stay on the old site', () => {
    expect(findings({ 'lb-1': serving(), 'lb-2': dead }, switchover)).toEqual(['blocker load-balancer-silent'])
    expect(findings({ 'lb-1': serving(), 'lb-2': dead }, null)).toEqual(['warning load-balancer-silent'])
  })

  test('does not begin while a load balancer serves another site than the witness names, or none', () => {
    const elsewhere = serving({ runtime: 'dc-b', file: 'dc-b' })
    expect(findings({ 'lb-1': serving(), 'lb-2': elsewhere }, switchover)).toEqual(['blocker traffic-elsewhere'])
    const closed = serving({ runtime: 'be_none', file: 'be_none' })
    expect(findings({ 'lb-1': serving(), 'lb-2': closed }, switchover)).toEqual(['blocker traffic-elsewhere'])
  })

  test('does not begin when a load balancer lacks the key or the backend of a site', () => {
    expect(findings({ 'lb-1': serving({ runtime: null, file: null }), 'lb-2': serving() }, switchover)).toEqual([
      'blocker load-balancer-key-missing',
    ])
    expect(findings({ 'lb-1': serving({ backends: { 'dc-a': up } }), 'lb-2': serving() }, switchover)).toEqual([
      'blocker backend-missing',
    ])
  })

  test('reports a file that would bring another value back at the next reload', () => {
    expect(findings({ 'lb-1': serving({ file: 'dc-b' }), 'lb-2': serving() }, switchover)).toEqual([
      'warning load-balancer-half-switched',
    ])
  })

  test('reports a load balancer that sees no healthy server of the active site', () => {
    const backends = { 'dc-a': down, 'dc-b': up }
    expect(findings({ 'lb-1': serving({ backends }), 'lb-2': serving() }, switchover)).toEqual(['warning backend-down'])
  })
})

describe('a failover', () => {
  test('is not held up by what is missing or down of the lost site', () => {
    expect(
      findings(
        {
          'lb-1': serving({ backends: { 'dc-a': down, 'dc-b': down } }),
          'lb-2': serving({ backends: { 'dc-b': up } }),
        },
        failover,
      ),
    ).toEqual([])
  })

  test('does not begin while one load balancer is out of reach: it may still send its users to the old site', () => {
    expect(findings({ 'lb-1': serving(), 'lb-2': dead }, failover)).toEqual(['blocker load-balancer-silent'])
  })

  test('does not wait for one that stands in the lost site, says what that means, and lets nothing of it stand in the way', () => {
    const standing: Traffic = {
      ...component,
      spec: {
        ...component.spec,
        instances: component.spec.instances.map((one) => (one.host === 'lb-1' ? { ...one, site: 'dc-a' } : one)),
      },
    }
    const of = (views: Readonly<Record<string, InstanceView>>, intent: Intent | null) =>
      findings(views, intent, 'dc-a', standing)
    expect(of({ 'lb-1': dead, 'lb-2': serving() }, failover)).toEqual(['warning load-balancer-lost'])
    expect(of({ 'lb-1': serving({ runtime: null, file: null }), 'lb-2': serving() }, failover)).toEqual([
      'warning load-balancer-key-missing',
    ])
    expect(of({ 'lb-1': serving(), 'lb-2': dead }, failover)).toEqual(['blocker load-balancer-silent'])
    // Whenever nothing is lost, every instance counts.
    expect(of({ 'lb-1': dead, 'lb-2': serving() }, switchover)).toEqual(['blocker load-balancer-silent'])
    expect(of({ 'lb-1': dead, 'lb-2': serving() }, null)).toEqual(['warning load-balancer-silent'])
  })

  test('takes over doors that a person closed or opened in the emergency, and asks for the backend of the new site', () => {
    const closed = serving({ runtime: 'be_none', file: 'be_none' })
    const opened = serving({ runtime: 'dc-b', file: 'dc-b' })
    expect(findings({ 'lb-1': closed, 'lb-2': opened }, failover)).toEqual([
      'warning traffic-elsewhere',
      'warning traffic-elsewhere',
    ])
    expect(findings({ 'lb-1': serving({ backends: { 'dc-a': up } }), 'lb-2': serving() }, failover)).toEqual([
      'blocker backend-missing',
    ])
  })
})

test('a rejoin does not begin while a load balancer serves the former site', () => {
  const stayed = serving({ runtime: 'dc-b', file: 'dc-b' })
  expect(findings({ 'lb-1': stayed, 'lb-2': stayed }, rejoin, 'dc-b')).toEqual([])
  expect(findings({ 'lb-1': stayed, 'lb-2': serving() }, rejoin, 'dc-b')).toEqual(['blocker traffic-elsewhere'])
})

test('a component that could not be seen at all is a blocker, never nothing', () => {
  const assessment = {
    now: '2026-11-21T00:00:00Z',
    objectives: toyStack.objectives,
    activeSite: 'dc-a',
    stack: toyStack,
  }
  const silent = { [EVERYWHERE]: { kind: 'silent' as const, why: 'no answer within 3.0 s' } }
  expect(haproxy.assess(component, silent, switchover, assessment)).toMatchObject([
    { code: 'load-balancer-silent', severity: 'blocker' },
  ])
})
