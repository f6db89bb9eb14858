import { describe, expect, test } from '@jest/globals'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Stack } from '../../../../src/domain/stack.ts'
import { type PatroniState, summarized } from '../../../../src/drivers/patroni/observe.ts'
import { type Database, patroniProblems } from '../../../../src/drivers/patroni/spec.ts'
import { unevenVoters } from '../../../../src/drivers/patroni/stretched/assess.ts'
import { heldBy } from '../../../../src/drivers/patroni/stretched/lock-held.ts'
import { takenOver } from '../../../../src/drivers/patroni/stretched/taken-over.ts'
import { clusterOf, patroniFixture } from '../../../conformance/fixtures/patroni.ts'

const published = patroniFixture.component as unknown as Database

function over(servers: Readonly<Record<string, readonly string[]>>): { component: Database; stack: Stack } {
  const { sites, store, backups: _, ...spec } = published.spec
  const machines = { 'db-1': { address: '10.3.0.11' } }
  const third = { name: 'dc-c', platforms: { hosts: { machines } } } as unknown as Stack['sites'][number]
  const member = { host: 'db-1', restApi: 'http://10.3.0.11:8008', postgres: '10.3.0.11:5432' }
  const names = Object.keys(servers)
  return {
    component: {
      ...published,
      spec: {
        ...spec,
        topology: 'stretched',
        store: { ...store, endpoints: servers },
        sites: names.includes('dc-c') ? { ...sites, 'dc-c': { members: { 'pg-c1': member } } } : sites,
      },
    },
    stack: {
      ...patroniFixture.stack,
      sites: names.includes('dc-c') ? [...patroniFixture.stack.sites, third] : patroniFixture.stack.sites,
    },
  }
}
const problemsOf = (servers: Readonly<Record<string, readonly string[]>>) => {
  const { component, stack } = over(servers)
  return patroniProblems(component, stack, () => null).map(({ path, what }) => `${path.join('.')} ${what}`)
}

describe('the stack file of a cluster over sites', () => {
  test('is refused with two sites, however many servers their store has, and says what would happen', () => {
    for (const servers of [
      { 'dc-a': ['http://a:1'], 'dc-b': ['http://b:1'] },
      { 'dc-a': ['http://a:1', 'http://a:2'], 'dc-b': ['http://b:1'] },
    ])
      expect(problemsOf(servers)).toEqual([expect.stringContaining('PostgreSQL read-only when that site is lost')])
  })

  test('is refused where a site holds half of the store, and taken where none does', () => {
    expect(
      problemsOf({ 'dc-a': ['http://a:1', 'http://a:2'], 'dc-b': ['http://b:1'], 'dc-c': ['http://c:1'] }),
    ).toEqual([expect.stringContaining('store.endpoints.dc-a dc-a holds 2 of the 4 servers')])
    expect(problemsOf({ 'dc-a': ['http://a:1'], 'dc-b': ['http://b:1'], 'dc-c': ['http://c:1'] })).toEqual([])
  })
})

test('the voters of a store are uneven where one site has half of them', () => {
  expect(unevenVoters({ 'dc-a': 1, 'dc-b': 1, 'dc-c': 1 })).toEqual([])
  expect(unevenVoters({ 'dc-a': 3, 'dc-b': 1, 'dc-c': 1 })).toEqual([{ site: 'dc-a', count: 3, all: 5 }])
  expect(unevenVoters(null)).toEqual([])
})

const { component } = over({ 'dc-a': ['http://a:1'], 'dc-b': ['http://b:1'], 'dc-c': ['http://c:1'] })
const lockOf = (holder: string, site: string) => ({
  stretched: { lock: { holder, site }, since: '2026-11-30T12:00:00.000Z', voters: null, synchronous: 'on' as const },
})
const onA = (more: Partial<PatroniState> = {}): Observed<PatroniState> =>
  summarized(clusterOf('dc-a', 'dc-b', { ...lockOf('pg-b1', 'dc-b'), ...more }))
const onB = (more: Partial<PatroniState> = {}): Observed<PatroniState> =>
  summarized(clusterOf('dc-b', null, { ...lockOf('pg-b1', 'dc-b'), ...more }))
const SILENT: Observed<PatroniState> = { kind: 'silent', why: 'no answer' }

describe('a database has moved by itself', () => {
  test('where one site alone sees the lock, and its holder is the only member that is seen to accept writes', () => {
    const proven = {
      site: 'dc-b',
      since: '2026-11-30T12:00:00.000Z',
      by: expect.stringContaining('pg-b1 holds the lock'),
    }
    expect(takenOver(component, { 'dc-a': SILENT, 'dc-b': onB() })).toEqual(proven)
    expect(takenOver(component, { 'dc-a': onA(), 'dc-b': onB() })).toEqual(proven)
  })

  test.each([
    ['the sites disagree about the holder', onA(lockOf('pg-a1', 'dc-a')), onB()],
    [
      'the former primary is still seen to accept writes',
      summarized(clusterOf('dc-a', null, lockOf('pg-b1', 'dc-b'))),
      onB(),
    ],
    ['the holder does not accept writes yet', onA(), summarized(clusterOf('dc-b', 'dc-a', lockOf('pg-b1', 'dc-b')))],
    ['no site sees a holder', onA({ stretched: { ...lockOf('', '').stretched, lock: null } }), SILENT],
    ['Patroni is paused', onA(), onB({ config: { pause: true } })],
  ])('not where %s', (_, a, b) => {
    expect(takenOver(component, { 'dc-a': a, 'dc-b': b })).toBeNull()
  })

  test('not where each site has a cluster of its own', () => {
    expect(takenOver(published, { 'dc-a': SILENT, 'dc-b': onB() })).toBeNull()
  })
})

describe('the lock of a cluster over sites', () => {
  const { members: own } = clusterOf('dc-b', null)
  test('is a fence while its holder alone accepts writes, and names the members that are silent', () => {
    const others = { 'pg-a1': { is: 'silent', why: 'no answer' } } as const
    expect(heldBy('pg-b1', own, others)).toMatchObject({ is: 'done', proof: { holder: 'pg-b1', silent: ['pg-a1'] } })
  })

  test('is none while another member accepts writes, or its holder does not', () => {
    expect(heldBy('pg-b1', own, clusterOf('dc-a', null).members)).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('pg-a1 to accept no write any more'),
    })
    expect(heldBy('pg-b1', clusterOf('dc-b', 'dc-a').members, {})).toMatchObject({ is: 'pending' })
  })
})
