import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Elsewhere, Situation } from '../../../../src/drivers/cloudnative-pg/deploy/begin-situation.ts'
import {
  BEGINNINGS,
  beginningOf,
  tracesOf,
  unusedName,
} from '../../../../src/drivers/cloudnative-pg/deploy/how-to-begin.ts'

const first: Situation = {
  site: 'dc-a',
  cluster: 'pg-dc-a',
  role: 'active',
  epoch: null,
  adopt: false,
  standing: { is: 'absent' },
  archive: { is: 'read', names: [] },
  backups: [],
  onRecord: { is: 'nothing' },
  elsewhere: [{ site: 'dc-b', cluster: 'pg-dc-b', holds: 'nothing', systemId: null }],
  knownAs: null,
  expected: null,
}
const copy: Elsewhere = { site: 'dc-b', cluster: 'pg-dc-b', holds: 'copy', systemId: '77' }
const live = (is: 'ours' | 'others', systemId: string | null = '77', primary = true): Situation['standing'] => ({
  is,
  systemId,
  primary,
})
const code = (situation: Situation): string => {
  const beginning = beginningOf(situation)
  return beginning.do === 'refuse' ? beginning.code : beginning.do
}

const systemIds = fc.constantFrom(null, '77', '88')
const situations: fc.Arbitrary<Situation> = fc.record({
  site: fc.constant('dc-a'),
  cluster: fc.constant('pg-dc-a'),
  role: fc.constantFrom('active' as const, 'passive' as const),
  epoch: fc.constantFrom(null, 1, 7),
  adopt: fc.boolean(),
  standing: fc.oneof(
    fc.constantFrom({ is: 'absent' } as const, { is: 'leaving' } as const),
    fc.record({ is: fc.constantFrom('ours' as const, 'others' as const), systemId: systemIds, primary: fc.boolean() }),
  ),
  archive: fc.oneof(
    fc.record({
      is: fc.constant('read' as const),
      names: fc.subarray(['pg-dc-a', 'pg-dc-a-g1', 'pg-dc-a-g2', 'pg-dc-a-g7']),
    }),
    fc.constant({ is: 'unknown' as const, why: 'no answer' }),
  ),
  backups: fc.subarray(['nightly']),
  onRecord: fc.oneof(
    fc.constantFrom({ is: 'nothing' } as const, { is: 'unknown', why: 'no answer' } as const),
    fc.record({ is: fc.constant('a backup' as const), systemId: systemIds }),
  ),
  elsewhere: fc.array(
    fc.record({
      site: fc.constantFrom('dc-a', 'dc-b', 'dc-c'),
      cluster: fc.constantFrom('pg-dc-b', 'pg-dc-c', 'pg-of-old'),
      holds: fc.constantFrom('nothing' as const, 'copy' as const, 'primary' as const, 'unknown' as const),
      systemId: systemIds,
    }),
    { maxLength: 3 },
  ),
  knownAs: fc.constantFrom(null, 'pg-dc-a-g1', 'pg-dc-a-g2'),
  expected: fc.constantFrom(null, 'pg-dc-a-g1', 'pg-dc-a-g2'),
})

test('an empty database is made only where nothing is silent and nothing shows that there was one', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      if (code(situation) !== 'create empty') return true
      const { role, standing, archive, onRecord, elsewhere } = situation
      return (
        role === 'active' &&
        standing.is === 'absent' &&
        archive.is === 'read' &&
        onRecord.is === 'nothing' &&
        elsewhere.every(({ holds }) => holds === 'nothing') &&
        tracesOf(situation).length === 0
      )
    }),
    { numRuns: 3_000 },
  )
})

test('a copy never archives under a name that its archive has held', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const beginning = beginningOf(situation)
      if (beginning.do !== 'clone') return true
      return situation.archive.is === 'read' && !situation.archive.names.includes(beginning.serverName)
    }),
    { numRuns: 3_000 },
  )
})

test('what other hands made is adopted on demand, and never merely kept', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const done = beginningOf(situation).do
      if (done === 'adopt') return situation.adopt && situation.standing.is === 'others'
      return done !== 'keep' || situation.standing.is === 'ours'
    }),
    { numRuns: 3_000 },
  )
})

test('no deploy keeps or adopts an active database that has another system id than the one on record', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const { role, standing, onRecord } = situation
      if (role !== 'active' || onRecord.is !== 'a backup' || onRecord.systemId === null) return true
      if ((standing.is !== 'ours' && standing.is !== 'others') || standing.systemId === null) return true
      return standing.systemId === onRecord.systemId || beginningOf(situation).do === 'refuse'
    }),
    { numRuns: 3_000 },
  )
})

test('every refusal says that nothing was changed, and what to do next', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const beginning = beginningOf(situation)
      return beginning.do !== 'refuse' || (beginning.what !== '' && /^Nothing was changed\. [A-Z]/.test(beginning.next))
    }),
  )
})

test('no advice is to deploy in place of an active database that is gone', () => {
  fc.assert(
    fc.property(situations, (situation) => {
      const beginning = beginningOf(situation)
      return (
        beginning.do !== 'refuse' ||
        beginning.code !== 'active-database-missing' ||
        !/standby deploy(?! --adopt)/.test(beginning.next)
      )
    }),
  )
})

test.each<[string, Situation, string]>([
  ['a first deploy', first, 'create empty'],
  ['a first deploy that failed before the database was made', { ...first, epoch: 1 }, 'create empty'],
  [
    'the active Cluster deleted, its archive left',
    { ...first, epoch: 1, archive: { is: 'read', names: ['pg-dc-a-g1'] } },
    'active-database-missing',
  ],
  ['the active Cluster deleted, a copy left', { ...first, epoch: 1, elsewhere: [copy] }, 'active-database-missing'],
  [
    'the active Cluster deleted, a Backup left',
    { ...first, epoch: 1, backups: ['nightly'] },
    'active-database-missing',
  ],
  [
    'the active Cluster deleted, a record left',
    { ...first, epoch: 2, onRecord: { is: 'a backup', systemId: '77' } },
    'active-database-missing',
  ],
  [
    'the active Cluster missing, its archive silent',
    { ...first, epoch: 1, archive: { is: 'unknown', why: 'no answer' } },
    'archive-unread',
  ],
  ['a first deploy, the archive silent', { ...first, archive: { is: 'unknown', why: 'no answer' } }, 'archive-unread'],
  [
    'a first deploy onto a used archive',
    { ...first, archive: { is: 'read', names: ['pg-dc-a-g1'] } },
    'archive-not-empty',
  ],
  ['an emptied witness, the active Cluster there', { ...first, standing: live('ours') }, 'witness-emptied'],
  ['an emptied witness, the other Cluster there', { ...first, elsewhere: [copy] }, 'witness-emptied'],
  ['a Cluster of other hands', { ...first, standing: live('others') }, 'made-by-others'],
  ['a Cluster of other hands, adopted', { ...first, adopt: true, standing: live('others') }, 'adopt'],
  [
    'a Cluster that was restored by hand, adopted',
    { ...first, epoch: 4, adopt: true, standing: live('others'), elsewhere: [copy] },
    'adopt',
  ],
  [
    'another database under the name of the old one',
    { ...first, epoch: 4, standing: live('ours', '88'), elsewhere: [copy] },
    'another-database',
  ],
  ['a Cluster that is being deleted', { ...first, epoch: 4, standing: { is: 'leaving' } }, 'cluster-leaving'],
  [
    'a passive Cluster of other hands that is no copy',
    { ...first, role: 'passive', adopt: true, standing: live('others', '88') },
    'made-by-others',
  ],
])('%s', (_, situation, expected) => {
  expect(code(situation)).toBe(expected)
})

test('a missing active database leads to a failover where another site has the data, and to a restore where the archive has them', () => {
  const both = beginningOf({ ...first, epoch: 1, elsewhere: [copy], archive: { is: 'read', names: ['pg-dc-a-g1'] } })
  expect(both).toMatchObject({ next: expect.stringContaining('standby failover plan --mode failover --to dc-b') })
  const archived = beginningOf({ ...first, epoch: 1, archive: { is: 'read', names: ['pg-dc-a-g1'] } })
  expect(archived).toMatchObject({ next: expect.stringContaining('Restore it from the archive of dc-a') })
})

test('a passive Cluster that was deleted gets a new incarnation; one that never archived keeps the name that the others know', () => {
  const passive: Situation = { ...first, role: 'passive', epoch: 1, knownAs: 'pg-dc-a-g1', expected: 'pg-dc-a-g1' }
  expect(beginningOf(passive)).toEqual({ do: 'clone', serverName: 'pg-dc-a-g1' })
  const used = { ...passive, archive: { is: 'read', names: ['pg-dc-a-g1'] } } as const
  expect(beginningOf(used)).toEqual({ do: 'clone', serverName: 'pg-dc-a-g2' })
  // A failover cut its history off, and its archive was emptied by hand.
  expect(beginningOf({ ...passive, expected: null })).toEqual({ do: 'clone', serverName: 'pg-dc-a-g2' })
  expect(unusedName({ ...passive, archive: { is: 'read', names: ['pg-dc-a', 'pg-dc-a-g9'] } })).toBe('pg-dc-a-g1')
})

test('the page of the driver prints the table as it is', () => {
  const page = readFileSync('docs/drivers/cloudnative-pg.md', 'utf8')
  expect(page).toContain(BEGINNINGS.map(({ when, outcome }) => `| ${when} | ${outcome} |`).join('\n'))
})

describe('a stack whose initialActive names the site that holds no database', () => {
  const theirs: Elsewhere = { ...copy, holds: 'primary', madeBy: 'others' }

  test('is asked to name the one that does, and not to put a record back that never was', () => {
    const beginning = beginningOf({ ...first, adopt: true, elsewhere: [theirs] })
    expect(beginning).toMatchObject({
      do: 'refuse',
      code: 'made-by-others',
      next: expect.stringContaining('name it as initialActive'),
    })
    expect(beginning).toMatchObject({ next: expect.stringContaining('If dc-b is the site that serves') })
    expect(
      beginningOf({ ...first, elsewhere: [{ ...theirs, madeBy: undefined } as unknown as Elsewhere] }),
    ).toMatchObject({
      code: 'witness-emptied',
    })
  })

  test('is never advised to delete the only database that there is', () => {
    const standing = { is: 'others', systemId: '77', primary: true } as const
    for (const epoch of [null, 4]) {
      const beginning = beginningOf({ ...first, epoch, role: 'passive', adopt: true, standing })
      expect(beginning).toMatchObject({
        do: 'refuse',
        code: 'made-by-others',
        what: expect.stringContaining('no other site has one'),
      })
      expect(JSON.stringify(beginning)).not.toContain('delete it')
    }
    const another = beginningOf({
      ...first,
      role: 'passive',
      adopt: true,
      standing,
      elsewhere: [{ ...theirs, systemId: '88' }],
    })
    expect(another).toMatchObject({ next: expect.stringContaining('delete it, and deploy') })
  })
})
