import { expect, test } from '@jest/globals'
import { neededCredentials } from '../../../src/composition/needed-credentials.ts'
import { parseStack } from '../../../src/stack/load-stack.ts'
import { kinds, pathOfStack, problemsOf, textOfStack } from '../../support/published-stacks.ts'

const published = textOfStack('infisical-kubernetes')
const pair =
  /\{ accessKeyId: \{ env: STANDBY_WITNESS_ACCESS_KEY_ID \}, secretAccessKey: \{ env: STANDBY_WITNESS_SECRET_ACCESS_KEY \} \}/
const blocks =
  /credentials:\n\s+accessKeyId: \{ env: STANDBY_WITNESS_ACCESS_KEY_ID \}\n\s+secretAccessKey: \{ env: STANDBY_WITNESS_SECRET_ACCESS_KEY \}/

/** The published stack, whose witness is opened so. */
const witnessWith = (credentials: string): string => {
  const changed = published.replace(blocks, `credentials: ${credentials}`).replace(pair, credentials)
  expect(changed).not.toBe(published)
  return changed
}

test('a witness that is opened by the login of the process asks for no key of it', () => {
  const stack = parseStack(witnessWith('{ login: aws }'), pathOfStack('infisical-kubernetes'), kinds)
  const names = neededCredentials(stack, kinds.drivers).map(({ reference }) => JSON.stringify(reference))
  expect(names.filter((name) => name.includes('WITNESS'))).toEqual([])
  expect(names.length).toBeGreaterThan(5)
})

test.each([
  ['{ login: azure }', /"azure" is not aws/],
  ['{ login: aws, accessKeyId: { env: A } }', /mixes several forms/],
  ['{ logn: aws }', /login/],
  ['{}', /accessKeyId, secretAccessKey.*login/],
])('keys of a witness that are %s are refused, and what may stand there is said', (credentials, what) => {
  const problems = problemsOf(witnessWith(credentials))
  expect(problems.map(({ path }) => path)).toEqual([expect.stringMatching(/^witness\.credentials/)])
  expect(problems.map((problem) => `${problem.what} ${problem.suggestion ?? ''}`).join()).toMatch(what)
})
