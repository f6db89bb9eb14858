import { describe, expect, test } from '@jest/globals'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import {
  assessFailover,
  assessStatus,
  assessSwitchover,
  gapsOf,
} from '../../../../src/drivers/patroni/assess/assess.ts'
import { predictedLoss } from '../../../../src/drivers/patroni/failover/loss.ts'
import { type PatroniState, summarized } from '../../../../src/drivers/patroni/observe.ts'
import { type Member, memberIn } from '../../../../src/drivers/patroni/rest-api.ts'
import { type Database, patroniProblems, siteFollowed, standbyClusterOf } from '../../../../src/drivers/patroni/spec.ts'
import { clusterOf, patroniFixture } from '../../../conformance/fixtures/patroni.ts'

const { stack } = patroniFixture
const component = patroniFixture.component as unknown as Database
const around = { now: '2026-11-21T06:00:00.000Z', objectives: stack.objectives, activeSite: 'dc-a', stack }
const switchover: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const failover: Intent = { ...switchover, mode: 'failover' }
const statesOf = (a: PatroniState, b: PatroniState) => ({ 'dc-a': summarized(a), 'dc-b': summarized(b) })
const SILENT = { kind: 'silent', why: 'no answer' } as const
const WELL = statesOf(clusterOf('dc-a', null), clusterOf('dc-b', 'dc-a'))
const codesOf = (found: readonly { readonly code: unknown; readonly severity: string }[]): string[] =>
  found.filter(({ severity }) => severity !== 'info').map(({ code, severity }) => `${severity} ${String(code)}`)
/** The cluster of a site, with its first member changed. */
const withHead = (state: PatroniState, more: Partial<Member>): PatroniState => {
  const [[name, head] = ['', undefined]] = Object.entries(state.members)
  return { ...state, members: { ...state.members, [name]: { ...(head as Member), ...more } } }
}

describe('the assessment of a Patroni cluster', () => {
  test('finds nothing wrong with two clusters that are well', () => {
    expect(codesOf(assessStatus(component, WELL, around))).toEqual([])
    expect(codesOf(assessSwitchover(component, WELL, switchover, around))).toEqual([])
    expect(codesOf(assessFailover(component, WELL, failover, around))).toEqual([])
  })

  test('sees a returning primary on the same number of a timeline that is called a standby leader, and kept its rows', () => {
    // As measured with Patroni 4.1.4: role standby_leader, state running, timeline 6 on both sides, and no stream.
    const active = withHead(clusterOf('dc-a', null, { history: [[5, 67_857_360]] }), {
      timeline: 6,
      writesAt: 67_871_560,
    })
    const returned = withHead(clusterOf('dc-b', 'dc-a', { history: [[5, 83_886_240]] }), {
      timeline: 6,
      receivedAt: 83_893_024,
      replayedAt: 83_893_024,
      replication: null,
    })
    const found = assessSwitchover(component, statesOf(active, returned), switchover, around)
    expect(codesOf(found)).toContain('blocker patroni-history-forked')
    expect(found.find(({ code }) => String(code) === 'patroni-history-forked')?.what).toBe(
      'app on dc-b left timeline 5 at 0/50000A0, app on dc-a at 0/40B6BD0: their histories parted',
    )
  })

  test('sees by its position alone that a passive site has what the active one lacks', () => {
    const ahead = withHead(clusterOf('dc-b', 'dc-a'), {
      receivedAt: 84_060_000,
      replayedAt: 84_060_000,
      replication: null,
    })
    const found = assessSwitchover(component, statesOf(clusterOf('dc-a', null), ahead), switchover, around)
    expect(codesOf(found)).toContain('blocker patroni-history-forked')
  })

  test('takes a history that ends earlier for no fork: only a primary writes the history of its cluster', () => {
    const states = statesOf(clusterOf('dc-a', null), clusterOf('dc-b', 'dc-a', { history: [[1, 50_331_808]] }))
    expect(codesOf(assessSwitchover(component, states, switchover, around))).toEqual([])
  })

  test('calls a site split whose standby leader still accepts writes', () => {
    const split = withHead(clusterOf('dc-b', 'dc-a'), { writesAt: 84_050_500, receivedAt: null, replayedAt: null })
    const seen = summarized(split)
    expect(seen.role).toBe('split')
    const states = statesOf(clusterOf('dc-a', null), split)
    expect(codesOf(assessFailover(component, states, failover, around))).toContain('blocker patroni-split')
  })

  test.each<[string, Partial<Member>]>([
    ['patroni-too-old', { patroni: '4.0.7' }],
    ['patroni-failsafe', { failsafe: true }],
    ['patroni-another-member', { name: 'pg-x9' }],
  ])('refuses a switchover for %s', (code, more) => {
    const states = statesOf(withHead(clusterOf('dc-a', null), more), clusterOf('dc-b', 'dc-a'))
    expect(codesOf(assessSwitchover(component, states, switchover, around))).toContain(`blocker ${code}`)
  })

  test.each<[string, PatroniState['config']]>([
    ['patroni-slot-missing', { postgresql: { use_pg_rewind: true } }],
    ['patroni-paused', { ...clusterOf('dc-a', null).config, pause: true }],
  ])('refuses a switchover for %s, which the configuration shows', (code, config) => {
    const states = statesOf(clusterOf('dc-a', null, { config }), clusterOf('dc-b', 'dc-a'))
    expect(codesOf(assessSwitchover(component, states, switchover, around))).toContain(`blocker ${code}`)
  })

  test('refuses a switchover while a replica streams on a timeline that its Patroni cannot read: no demotion would end', () => {
    const state = clusterOf('dc-a', null)
    const replica = { ...(state.members['pg-a2'] as Member), timeline: null }
    const unread = { ...state, members: { ...state.members, 'pg-a2': replica } }
    const states = statesOf(unread, clusterOf('dc-b', 'dc-a'))
    expect(codesOf(assessSwitchover(component, states, switchover, around))).toEqual([
      'blocker patroni-timeline-unknown',
    ])
    expect(codesOf(assessStatus(component, states, around))).toEqual(['warning patroni-timeline-unknown'])
  })

  test('warns of a member that waits for a restart or does not answer, and lets a switchover be', () => {
    const state = withHead(clusterOf('dc-a', null), { pendingRestart: ['max_connections'] })
    const members = { ...state.members, 'pg-a2': { is: 'silent', why: 'refused' } } as PatroniState['members']
    const states = statesOf({ ...state, members }, clusterOf('dc-b', 'dc-a'))
    expect(codesOf(assessSwitchover(component, states, switchover, around))).toEqual([
      'warning patroni-restart-pending',
      'warning patroni-member-silent',
    ])
  })

  test('refuses a switchover to a copy of another database', () => {
    const other = withHead(clusterOf('dc-b', 'dc-a'), { systemId: '1' })
    const states = statesOf(clusterOf('dc-a', null), other)
    expect(codesOf(assessSwitchover(component, states, switchover, around))).toContain(
      'blocker patroni-another-database',
    )
  })

  test('refuses a failover to a site where no PostgreSQL runs, although its store answers', () => {
    const whole = clusterOf('dc-b', 'dc-a')
    const members = { 'pg-b1': { is: 'silent', why: 'refused' }, 'pg-b2': { is: 'silent', why: 'refused' } } as const
    const states = { 'dc-a': SILENT, 'dc-b': summarized({ ...whole, members }) }
    expect(codesOf(assessFailover(component, states, failover, around))).toContain('blocker patroni-unlocked')
    // One that is in recovery can be elected, and promoted.
    const electing = { ...whole, members: { ...members, 'pg-b2': whole.members['pg-b2'] } } as PatroniState
    const found = assessFailover(component, { ...states, 'dc-b': summarized(electing) }, failover, around)
    expect(codesOf(found).filter((code) => code.startsWith('blocker'))).toEqual([])
  })

  test('says before a failover what the lost site still shows: another database, and histories that parted', () => {
    const other = withHead(clusterOf('dc-b', 'dc-a'), { systemId: '1' })
    const refused = assessFailover(component, statesOf(clusterOf('dc-a', null), other), failover, around)
    expect(codesOf(refused)).toContain('blocker patroni-another-database')
    const parted = statesOf(clusterOf('dc-a', null), clusterOf('dc-b', 'dc-a', { history: [[3, 75_000_000]] }))
    expect(codesOf(assessFailover(component, parted, failover, around))).toContain('warning patroni-history-forked')
    expect(predictedLoss(component, parted, failover, around.now)).toMatchObject({ bytes: [0, null] })
  })

  test('refuses a switchover while a third site is far behind: the shutdown of the primary waits for it', () => {
    const [third, three] = [clusterOf('dc-b', 'dc-a'), ['dc-a', 'dc-b', 'dc-c']]
    const behind = withHead(third, { receivedAt: 1_000, replayedAt: 1_000 })
    const sites = { ...component.spec.sites, 'dc-c': component.spec.sites['dc-b'] } as Database['spec']['sites']
    const of = { ...component, spec: { ...component.spec, sites } }
    const among = { ...around, stack: { ...stack, sites: three.map((name) => ({ name })) } as unknown as typeof stack }
    const found = (state: PatroniState) =>
      assessSwitchover(of, { ...WELL, 'dc-c': summarized(state) }, switchover, among).filter(
        ({ site, severity }) => site === 'dc-c' && severity === 'blocker',
      )
    expect(found(behind).map(({ code }) => String(code))).toEqual(['patroni-too-far-behind'])
    expect(found(third)).toEqual([])
    // Nothing waits for one that does not stream.
    expect(found(withHead(behind, { replication: null }))).toEqual([])
  })

  test('says the lag of a standby cluster by absolute positions, which Patroni itself never says', () => {
    const behind = withHead(clusterOf('dc-b', 'dc-a'), { replayedAt: 84_050_464 - 4_096 })
    expect(gapsOf(statesOf(clusterOf('dc-a', null), behind), 'dc-a', around.now)).toEqual({
      'dc-b': { segments: null, bytes: 4_096, seconds: 2 },
    })
  })

  test('predicts the loss of a silent primary from the last commit that was replayed, with no upper end in bytes', () => {
    const states = { 'dc-a': { kind: 'silent', why: 'no answer' } as const, 'dc-b': WELL['dc-b'] }
    expect(predictedLoss(component, states, failover, around.now)).toMatchObject({ bytes: [0, null], seconds: [0, 2] })
  })
})

describe('what the stack file declares for Patroni', () => {
  test('leads a standby cluster to all members of the site that it follows, and recognizes it', () => {
    const standby = standbyClusterOf(component, 'dc-b', 'dc-a')
    expect(standby).toEqual({
      host: '10.1.0.11,10.1.0.12',
      port: '5432',
      primary_slot_name: 'dc_b',
      create_replica_methods: ['basebackup'],
    })
    expect(siteFollowed(component, standby)).toBe('dc-a')
    // `patronictl demote-cluster` writes one host, and a number.
    expect(siteFollowed(component, { host: '10.2.0.12', port: 5432 })).toBe('dc-b')
    expect(siteFollowed(component, { host: '10.2.0.12,10.1.0.11', port: '5432,5432' })).toBeNull()
    expect(siteFollowed(component, { restore_command: 'cp' })).toBeNull()
  })

  test('refuses one name of a member on two sites, and a host that is not declared', () => {
    const sites = {
      ...component.spec.sites,
      'dc-b': { members: { 'pg-a1': { host: 'db-9', restApi: 'http://10.2.0.11:8008', postgres: '10.2.0.11:5432' } } },
    }
    const { backups: _, ...spec } = component.spec
    const problems = patroniProblems({ ...component, spec: { ...spec, sites } }, stack, () => null)
    expect(problems.map(({ path, what }) => `${path.join('.')}: ${what}`)).toEqual([
      'sites.dc-b.members.pg-a1: dc-a has a member pg-a1 too: Patroni would count the wrong one as a synchronous standby',
      'sites.dc-b.members.pg-a1.host: dc-b declares no host db-9; there are db-1, db-2',
    ])
  })

  test('a standby that asks for a stream in vain has what it has replayed, whatever it calls received', () => {
    const xlog = { received_location: 117_440_512, replayed_location: 117_440_672, paused: false }
    expect(memberIn({ role: 'standby_leader', xlog })).toMatchObject({
      receivedAt: 117_440_672,
      replayedAt: 117_440_672,
    })
    const streams = { received_location: 117_440_900, replayed_location: 117_440_672 }
    expect(memberIn({ role: 'replica', xlog: streams })).toMatchObject({ receivedAt: 117_440_900 })
  })

  test('reads what Patroni 3 calls a master as a primary', () => {
    expect(
      memberIn({ role: 'master', xlog: { location: 1 }, patroni: { version: '3.0.2', scope: 'app' } }),
    ).toMatchObject({
      role: 'primary',
      writesAt: 1,
      name: '',
    })
  })
})
