import { describe, expect, test } from '@jest/globals'
import type { Stack } from '../../../src/domain/stack.ts'
import { approvalProblems } from '../../../src/stack/check-approval.ts'
import { parseStack } from '../../../src/stack/load-stack.ts'
import { hours } from '../../../src/values/duration.ts'
import type { Json } from '../../../src/values/json.ts'
import { kinds, problemsOf, replaced, textOfStack } from '../../support/published-stacks.ts'

const infisical = textOfStack('infisical-kubernetes')
const RITA = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH0S/W+XbI8H6xf67RlTJY0SF7v1br7q/0OzWUIpPM87'
const OMAR = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAo3D7CGN01tTYY/dLKXEv8RxRyxa32c51X0uKMhnMab omar@home'

/** The published stack file with another part `approval`. */
const withApproval = (approval: string): string =>
  replaced(infisical, /\napproval:\n(?: .*\n)+/.exec(infisical)?.[0] ?? 'no approval', `\napproval: ${approval}\n`)
const approvalOf = (approval: string): Stack['approval'] =>
  parseStack(withApproval(approval), 'standby.yaml', kinds).approval
const problems = (approval: string): string[] =>
  problemsOf(withApproval(approval)).map((problem) => `${problem.path}: ${problem.what}`)

describe('the part approval', () => {
  test('may name one environment, several, and how many people must approve', () => {
    expect(approvalOf('{ github: { environment: a, branch: main } }').github).toEqual({
      environments: ['a'],
      branch: 'main',
      approvers: 1,
    })
    expect(approvalOf('{ github: { environments: [a, b], branch: main } }').github).toMatchObject({
      environments: ['a', 'b'],
      approvers: 2,
    })
    expect(approvalOf('{ github: { environments: [a, b, c], approvers: 2, branch: main } }').github).toMatchObject({
      approvers: 2,
    })
  })

  test('may name keys that sign, as they stand in .pub files, beside reviewers or alone', () => {
    const keys = `{ required: 2, keys: [{ name: rita, key: ${RITA} }, { name: omar, key: ${OMAR} }] }`
    expect(approvalOf(`{ signatures: ${keys}, expiry: 1h }`)).toEqual({
      expiry: hours(1),
      signatures: {
        required: 2,
        keys: [
          { name: 'rita', key: RITA },
          { name: 'omar', key: OMAR },
        ],
      },
    })
  })

  test('may be missing: then no approval is required', () => {
    expect(approvalOf('{}')).toEqual({ expiry: hours(2) })
  })

  const wrong: [string, string, RegExp][] = [
    [
      'environment and environments',
      '{ github: { environment: a, environments: [b], branch: main } }',
      /^approval.github: mixes several forms/,
    ],
    [
      'neither of both',
      '{ github: { branch: main } }',
      /^approval.github: must be { environment } or { environments }/,
    ],
    ['no branch', '{ github: { environment: a } }', /^approval.github: the key branch is missing/],
    [
      'an environment twice',
      '{ github: { environments: [a, A], branch: main } }',
      /^approval.github.environments.1: is named already/,
    ],
    [
      'more people than environments',
      '{ github: { environment: a, approvers: 2, branch: main } }',
      /^approval.github.approvers: 2 people cannot approve one environment/,
    ],
    [
      'nobody',
      '{ github: { environment: a, approvers: 0, branch: main } }',
      /^approval.github.approvers: 0 is not between 1/,
    ],
    ['no key', '{ signatures: { required: 1, keys: [] } }', /^approval.signatures.keys: has 0 of at least 1/],
    [
      'more signatures than keys',
      `{ signatures: { required: 2, keys: [{ name: rita, key: ${RITA} }] } }`,
      /^approval.signatures.required: 2 of 1 keys can never sign/,
    ],
    [
      'one key under two names',
      `{ signatures: { required: 2, keys: [{ name: rita, key: ${RITA} }, { name: omar, key: ${RITA} again }] } }`,
      /^approval.signatures.keys.1.key: is listed twice/,
    ],
    [
      'one name for two keys',
      `{ signatures: { required: 1, keys: [{ name: rita, key: ${RITA} }, { name: Rita, key: ${OMAR} }] } }`,
      /^approval.signatures.keys.1.name: is the name of another key/,
    ],
    [
      'an RSA key',
      '{ signatures: { required: 1, keys: [{ name: rita, key: ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 }] } }',
      /^approval.signatures.keys.0.key: .* does not have the right form: .*Ed25519 only/,
    ],
    [
      'a key that lost its end',
      `{ signatures: { required: 1, keys: [{ name: rita, key: ${RITA.slice(0, -1)} }] } }`,
      /^approval.signatures.keys.0.key: .* does not have the right form/,
    ],
  ]
  test.each(wrong)('is an error with %s', (_name, approval, says) => {
    expect(problems(approval)).toEqual([expect.stringMatching(says)])
  })

  test('whatever shape it has, is judged without breaking', () => {
    const odd: Json[] = [
      null,
      1,
      'x',
      [],
      {},
      { github: 1, signatures: [] },
      { github: { environments: [1, {}] }, signatures: { keys: [1, null] } },
    ]
    for (const declared of odd) expect(Array.isArray(approvalProblems(declared))).toBe(true)
  })
})
