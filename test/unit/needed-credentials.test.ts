import { describe, expect, test } from '@jest/globals'
import { credentialSkeletons, credentialTable } from '../../src/cli/credential-table.ts'
import {
  type GivenCredentials,
  neededCredentials,
  refuseMissingCredentials,
} from '../../src/composition/needed-credentials.ts'
import { type Identity, OPERATING } from '../../src/domain/identities.ts'
import { accessRulesOf } from '../../src/operations/access.ts'
import { restoreTesting } from '../../src/operations/verify-backup.ts'
import { judge } from '../../src/stack/check-schema.ts'
import { parseStack } from '../../src/stack/load-stack.ts'
import { witnessSchema } from '../../src/stack/schema.ts'
import { isObject, type JsonObject } from '../../src/values/json.ts'
import { kinds, pathOfStack, publishedStacks, textOfStack } from '../support/published-stacks.ts'

const stackOf = (name: (typeof publishedStacks)[number]) => parseStack(textOfStack(name), pathOfStack(name), kinds)
const infisical = stackOf('infisical-kubernetes')
const needed = neededCredentials(infisical, kinds.drivers)
const skeletonFor = (identity: Identity): Record<string, string> =>
  credentialSkeletons(needed, [identity])[identity] ?? {}
const namesFor = (identity: Identity): string[] =>
  Object.entries(skeletonFor(identity)).flatMap(([name, what]) => (what.startsWith('<optional') ? [] : [name]))

/** The refusal of an identity that was given this; null when nothing is missing. */
function refusal(identity: Identity, given: GivenCredentials): Error | null {
  try {
    refuseMissingCredentials(needed, identity, given)
    return null
  } catch (error) {
    return error as Error
  }
}
const all = (identity: Identity): Record<string, string> =>
  Object.fromEntries(namesFor(identity).map((name) => [name, 'x']))

describe('the credentials that a stack needs', () => {
  test.each(publishedStacks)('name every reference of %s: a driver that forgets one is found here', (name) => {
    const stack = stackOf(name)
    const known = new Set(neededCredentials(stack, kinds.drivers).map(({ reference }) => JSON.stringify(reference)))
    const parts: [JsonObject, JsonObject][] = [
      [witnessSchema(stack.witness.driver, kinds.witnesses[stack.witness.driver]?.schema ?? {}), stack.witness.spec],
      ...stack.components.map(({ driver, spec }): [JsonObject, JsonObject] => [
        kinds.drivers[driver]?.schema ?? {},
        spec,
      ]),
    ]
    // The schema says which values are references, whatever the drivers say.
    const declared = parts.flatMap(([schema, spec]) => judge({ type: 'object', ...schema }, spec, []).meanings)
    const local = declared
      .filter(({ meaning, value }) => meaning === 'reference' && isObject(value) && !('secret' in value))
      .map(({ value }) => value)
    expect(local.length).toBeGreaterThan(5)
    expect(local.filter((reference) => !known.has(JSON.stringify(reference)))).toEqual([])
  })

  test('give the observer nothing that writes to an archive, changes a policy or belongs to the guard', () => {
    expect(namesFor('observer')).toEqual(
      expect.arrayContaining(['STANDBY_KUBECONFIG_DC_A', 'ARCHIVE_READER_ACCESS_KEY_ID']),
    )
    for (const name of namesFor('observer')) expect(name).not.toMatch(/^(ARCHIVE_DC|ARCHIVE_POLICY|STANDBY_GUARD)/)
    expect(namesFor('mover')).toContain('ARCHIVE_POLICY_SECRET_ACCESS_KEY')
    expect(namesFor('deployer')).toContain('STANDBY_GUARD_ACCESS_KEY_ID')
    expect(namesFor('restore-tester')).not.toContain('ARCHIVE_DC_A_ACCESS_KEY_ID')
  })

  test.each(publishedStacks)(
    'of %s: who takes a fresh backup before a restore test has all that the test itself needs',
    (name) => {
      const stack = stackOf(name)
      expect(restoreTesting({ fresh: true })).toBe('mover')
      expect(restoreTesting({ fresh: false })).toBe('restore-tester')
      const asked = neededCredentials(stack, kinds.drivers).filter(({ identities }) =>
        identities.includes('restore-tester'),
      )
      for (const { identities } of asked) expect(identities).toContain('mover')
      const rightsOf = (identity: Identity): string[] =>
        accessRulesOf(stack, kinds.drivers)
          .filter((rule) => rule.kind === 'kubernetes' && rule.identity === identity)
          .map((rule) => JSON.stringify({ ...rule, identity: '', because: '' }))
      const ofTester = rightsOf('restore-tester')
      expect(ofTester.length).toBeGreaterThan(10)
      expect(rightsOf('mover')).toEqual(expect.arrayContaining(ofTester))
    },
  )

  test('are shown as a table with one column for each identity', () => {
    const lines = credentialTable(needed, OPERATING).split('\n')
    expect(lines[0]).toMatch(/^credential +observer +deployer +mover +restore-tester +what it opens$/)
    expect(lines.find((line) => line.startsWith('STANDBY_GUARD_ACCESS_KEY_ID'))).toMatch(
      /^STANDBY_GUARD_ACCESS_KEY_ID +x +reads active\.json/,
    )
    expect(lines.find((line) => line.startsWith('CANARY_SHA256'))).toMatch(
      /^CANARY_SHA256 +\(x\) +\(x\) +x +x +reads the canary secret of the application$/,
    )
    expect(lines.at(-1)).toMatch(/^\(x\): it works without/)
    expect(skeletonFor('observer').CANARY_SHA256).toBe('<optional: reads the canary secret of the application>')
  })
})

describe('credentials that are missing', () => {
  test('are all said at once, and nothing more is asked when all are there', () => {
    for (const identity of OPERATING) {
      const message = refusal(identity, { env: {}, credentialsInput: null })?.message ?? ''
      for (const name of namesFor(identity)) expect(message).toContain(name)
      expect(refusal(identity, { env: all(identity), credentialsInput: null })).toBeNull()
    }
  })

  test('are reported with the given name that is not asked for', () => {
    const { STANDBY_KUBECONFIG_DC_A: _, ...others } = all('observer')
    const env = { ...others, STANDBY_KUBECONFIG_DCA: 'x' }
    expect(refusal('observer', { env, credentialsInput: Object.keys(env) })).toMatchObject({
      code: 'credential-missing',
      message: expect.stringContaining('STANDBY_KUBECONFIG_DC_A (given is STANDBY_KUBECONFIG_DCA: is it that?)'),
    })
  })

  test('are said as an empty input when the input is empty: the secret did not reach the job', () => {
    expect(refusal('observer', { env: {}, credentialsInput: [] })).toMatchObject({
      where: 'the input credentials',
      next: expect.stringContaining('The input credentials is empty'),
    })
  })

  test('count as missing when their value is empty, and are said to be empty when they are in the input', () => {
    const env = { ...all('observer'), STANDBY_KUBECONFIG_DC_A: '' }
    expect(refusal('observer', { env, credentialsInput: Object.keys(env) })?.message).toContain(
      'STANDBY_KUBECONFIG_DC_A is empty',
    )
  })
})
