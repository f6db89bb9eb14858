import { describe, expect, test } from '@jest/globals'
import { idOf, type LedgerEntry } from '../../../lab/ledger/ledger-entry.ts'
import { judgeStory } from '../../../lab/three-sites/judge-story.ts'
import { type StoryFacts, type StoryMove, THIRD_SITE, type ThirdSite } from '../../../lab/three-sites/run-story.ts'
import type { Mode } from '../../../src/domain/plan.ts'

const written = (second: number, site: string): LedgerEntry => ({
  sequence: second,
  id: idOf('00C0FFEE', second),
  outcome: 'acknowledged',
  startedAt: second * 1_000 - 10,
  endedAt: second * 1_000,
  address: 'http://lb',
  site,
  reason: null,
})

/** One write a second: dc-a until 9, dc-b until it is killed at 30, dc-c from 46 on. */
const ENTRIES = Array.from({ length: 60 }, (_, at) => at + 1).flatMap((second) => {
  if (second <= 9) return [written(second, 'dc-a')]
  if (second > 12 && second <= 30) return [written(second, 'dc-b')]
  return second > 45 ? [written(second, 'dc-c')] : []
})
/** All that is served but what dc-b took in the last seconds before it was killed. */
const withoutTheLast = (seconds: number): string[] =>
  ENTRIES.filter(({ site, endedAt }) => site !== 'dc-b' || endedAt <= (30 - seconds) * 1_000).map(({ id }) => id)

function move(
  mode: Mode,
  to: StoryMove['to'],
  window: readonly [number, number],
  givenUp: readonly string[] = [],
): StoryMove {
  const steps = [
    { id: `database.promote@${to}`, outcome: 'done' },
    ...givenUp.map((id) => ({ id, outcome: 'given-up' })),
  ]
  return {
    mode,
    to,
    planned: { plan: { predictions: { loss: { seconds: [0, 12] } } } } as unknown as StoryMove['planned'],
    executed: { verdict: 'moved', failure: null, steps } as unknown as StoryMove['executed'],
    window: { from: window[0] * 1_000, to: window[1] * 1_000 },
  }
}

const REDIRECT = { 'dc-a': 'database.redirect@dc-a', 'dc-c': 'database.redirect@dc-c' } as const
const SWITCHOVER = move('switchover', 'dc-b', [8, 13])
const WITHOUT_C = move('switchover', 'dc-b', [8, 13], [REDIRECT['dc-c']])
const FAILOVER = move('failover', 'dc-c', [42, 46])
const WITHOUT_A = move('failover', 'dc-c', [42, 46], [REDIRECT['dc-a']])
const REJOINS = [move('rejoin', 'dc-b', [50, 52]), move('rejoin', 'dc-a', [53, 55])]

const status = (active: string, epoch: number): StoryFacts['after'] =>
  ({
    activeSite: active,
    epoch,
    sites: ['dc-a', 'dc-b', 'dc-c'].map((name) => {
      const role = name === active ? 'active' : 'passive'
      return { name, role, components: [{ name: 'database', role, health: 'healthy' }] }
    }),
  }) as unknown as StoryFacts['after']

/** A story that kept every promise. */
function told(thirdSite: ThirdSite, over: Partial<StoryFacts> = {}): StoryFacts {
  const silent = thirdSite === 'silent'
  const rejoins = silent ? REJOINS : REJOINS.slice(0, 1)
  return {
    thirdSite,
    before: status('dc-a', 3),
    switchover: silent || thirdSite === 'unseen' ? WITHOUT_C : SWITCHOVER,
    failover: silent ? WITHOUT_A : FAILOVER,
    lostAt: 30_000,
    rejoins,
    entries: ENTRIES,
    ids: withoutTheLast(silent ? 11 : 0),
    after: status('dc-c', 5 + rejoins.length),
    undeclared: [],
    ...over,
  }
}

describe('the story of three sites', () => {
  test.each(THIRD_SITE)('is good with a third site that %s', (third) => {
    expect(judgeStory(told(third))).toEqual([])
  })

  test('is not good where a site that was cut off is not named by the move that went on without it', () => {
    expect(judgeStory(told('silent', { switchover: SWITCHOVER, failover: FAILOVER }))).toEqual([
      'the switchover does not name dc-c, which was silent',
      'the failover does not name dc-a, which was silent',
    ])
  })

  test('is not good where a site that the runner alone does not see is not named', () => {
    expect(judgeStory(told('unseen', { switchover: SWITCHOVER }))).toEqual([
      'the switchover does not name dc-c, which was silent',
    ])
  })

  test('leaves open whether a site that is parted from the new active one comes to it by the archive in time', () => {
    expect(judgeStory(told('parted', { switchover: WITHOUT_C }))).toEqual([])
  })

  test('lets a switchover go on without the third site alone, and only where that one was cut off', () => {
    const refused = ['the switchover of dc-b gave up database.redirect@dc-c']
    expect(judgeStory(told('answers', { switchover: WITHOUT_C }))).toEqual(refused)
    const withoutOthers = move('switchover', 'dc-b', [8, 13], [REDIRECT['dc-c'], REDIRECT['dc-a']])
    expect(judgeStory(told('silent', { switchover: withoutOthers }))).toEqual([
      'the switchover of dc-b gave up database.redirect@dc-a',
    ])
  })

  test('lets no rejoin give up anything, whatever was cut off before it', () => {
    const [first = FAILOVER] = REJOINS
    const lacking = move('rejoin', 'dc-a', [53, 55], [REDIRECT['dc-c']])
    expect(judgeStory(told('silent', { rejoins: [first, lacking] }))).toEqual([
      'the rejoin of dc-a gave up database.redirect@dc-c',
    ])
  })

  test('names a move that ended otherwise', () => {
    const failure = { code: 'guard-blind', what: 'the guard of dc-c is silent' }
    const executed = { ...WITHOUT_A.executed, verdict: 'refused', failure } as unknown as StoryMove['executed']
    expect(judgeStory(told('silent', { failover: { ...WITHOUT_A, executed } }))).toEqual([
      'the failover of dc-c ended refused: guard-blind the guard of dc-c is silent',
    ])
  })

  test('loses nothing but what the plan of the failover announced', () => {
    expect(judgeStory(told('silent', { ids: withoutTheLast(15) }))).toEqual([
      '3 lost writes are older than the predicted 12 s, or newer than the failover',
    ])
    const ids = withoutTheLast(0).filter((id) => id !== idOf('00C0FFEE', 50))
    expect(judgeStory(told('silent', { ids }))).toEqual([
      '1 lost writes are older than the predicted 12 s, or newer than the failover',
    ])
  })

  test('has one site after the other that answers', () => {
    const late = [written(61, 'dc-a'), written(62, 'dc-b')]
    const ids = [...withoutTheLast(0), ...late.map(({ id }) => id)]
    expect(judgeStory(told('silent', { entries: [...ENTRIES, ...late], ids }))).toEqual([
      'dc-a accepted 1 writes after the switchover',
      'dc-b accepted 1 writes after the failover',
    ])
    const short = ENTRIES.filter(({ site }) => site !== 'dc-c')
    expect(judgeStory(told('silent', { entries: short, ids: short.map(({ id }) => id) }))).toEqual([
      'dc-c accepted no write after the failover',
    ])
  })

  test('ends with one epoch for each move, the roles of the begin, and nothing for a deploy to change', () => {
    expect(judgeStory(told('silent', { after: status('dc-c', 6) }))).toEqual([
      'the epoch went from 3 to 6, and 7 was to be expected',
    ])
    const [first] = judgeStory(
      told('silent', { after: { ...status('dc-c', 7), sites: status('dc-c', 7).sites.slice(1) } }),
    )
    expect(first).toMatch(/^the end is not that of undisturbed moves/)
    expect(judgeStory(told('silent', { undeclared: ['in the end: database.cluster@dc-a spec.replica'] }))).toEqual([
      'a deploy would change something in the end: database.cluster@dc-a spec.replica',
    ])
  })
})
