import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { migrationState } from '../../../lab/application/migration-state.ts'
import { migrations } from '../../../lab/application/migrations.ts'

const bundled = ['1_a.mjs', '2_b.mjs', '3_c.mjs']

describe('how a database stands to an image', () => {
  test('the same rows: current', () => {
    expect(migrationState(bundled, bundled)).toEqual({ kind: 'current' })
  })

  test('rows are missing: it is behind, with the list of what is pending', () => {
    expect(migrationState(bundled, ['1_a.mjs'])).toEqual({ kind: 'behind', pending: ['2_b.mjs', '3_c.mjs'] })
    expect(migrationState(bundled, [])).toEqual({ kind: 'behind', pending: bundled })
  })

  test('there are newer rows beside ours only: it is ahead', () => {
    expect(migrationState(bundled, [...bundled, '4_d.mjs'])).toEqual({ kind: 'ahead', unknown: ['4_d.mjs'] })
  })

  test('an unknown row while others are pending, or an unknown older row: invalid', () => {
    expect(migrationState(bundled, ['1_a.mjs', '4_d.mjs']).kind).toBe('invalid')
    expect(migrationState(bundled, [...bundled, '2_bb.mjs']).kind).toBe('invalid')
  })

  test('a database with a row that the image does not know is never migrated', () => {
    const names = fc.uniqueArray(fc.integer({ min: 1, max: 20 }).map((n) => `${String(n).padStart(2, '0')}.mjs`))
    fc.assert(
      fc.property(names, names, (ours, theirs) => {
        const state = migrationState(ours.toSorted(), theirs)
        const stranger = theirs.some((name) => !ours.includes(name))
        if (state.kind === 'behind' || state.kind === 'current') expect(stranger).toBe(false)
        else expect(stranger).toBe(true)
      }),
    )
  })

  test('the names of the image grow, and end as upstream names its own', () => {
    const names = migrations.map(({ name }) => name)
    expect(names).toEqual(names.toSorted())
    expect(names.every((name) => /^\d{14}_[a-z0-9-]+\.mjs$/.test(name))).toBe(true)
  })
})
