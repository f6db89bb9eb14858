import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { canaryCheck } from '../../../../src/systems/application/canary.ts'
import { identityProblem } from '../../../../src/systems/application/identity.ts'

const before = { instance: 'one', migrations: ['a.mjs', 'b.mjs'] }
const application = { name: 'application' }

describe('the application after a move', () => {
  test('is the same when instance and migrations are', () => expect(identityProblem(before, before)).toBeNull())

  test('may have more migrations than before, because the new side may have been upgraded with the database', () => {
    expect(identityProblem(before, { ...before, migrations: [...before.migrations, 'c.mjs'] })).toBeNull()
  })

  test('is refused on an empty database, which boots green', () => {
    expect(identityProblem(before, { instance: '', migrations: [] })).toContain('empty')
    expect(identityProblem(null, { instance: '', migrations: [] })).toContain('empty')
  })

  test('is refused on the database of another instance, with both names', () => {
    const problem = identityProblem(before, { ...before, instance: 'two' })
    expect(problem).toContain('two')
    expect(problem).toContain('one')
  })

  test('is refused whenever any migration of before is missing', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), fc.nat(), (migrations, index) => {
        const left = migrations.filter((_, n) => n !== index % migrations.length)
        expect(identityProblem({ instance: 'one', migrations }, { instance: 'one', migrations: left })).toContain(
          'missing',
        )
      }),
    )
  })
})

describe('the canary of a restore test', () => {
  test('passes only when it decrypts', () => {
    expect(canaryCheck(application, { outcome: 'decrypts', why: '' }).outcome).toBe('pass')
    expect(canaryCheck(application, { outcome: 'wrong', why: 'x' }).outcome).toBe('fail')
  })

  test('is never green when the application could not be asked', () => {
    expect(canaryCheck(application, { outcome: 'silent', why: 'no pod runs' })).toMatchObject({
      outcome: 'inconclusive',
      found: 'no pod runs',
    })
  })
})
