import { describe, expect, test } from '@jest/globals'
import { parseStack } from '../../../src/stack/load-stack.ts'
import { aclRules } from '../../../src/witness/consul/acl-rules.ts'
import { kinds, type PublishedStack, problemsOf, textOfStack } from '../../support/published-stacks.ts'

const WITNESS = `witness:
  driver: consul
  endpoint: https://consul.dc-c.example.com:8501
  datacenter: dc3
  prefix: infisical/
  token: { env: STANDBY_WITNESS_TOKEN }
`
/** A published stack with another witness, and guards that have a token or keys. */
const withWitness = (stack: PublishedStack, witness: string, guards: 'token' | 'keys' = 'token'): string => {
  const text = textOfStack(stack).replace(/^witness:\n(?:[ ].*\n)+/m, () => witness)
  return guards === 'keys'
    ? text
    : text.replace(
        /witnessCredentials:.*\n(?: {6}.*\n)+/g,
        () => 'witnessCredentials: { token: { env: GUARD_TOKEN } }\n',
      )
}
const problems = (text: string): string[] => problemsOf(text).map(({ path, what }) => `${path}: ${what}`)
const warnings = (text: string): string[] =>
  (parseStack(text, 'standby.yaml', kinds).warnings ?? []).map(({ path, what }) => `${path}: ${what}`)

describe('a witness in Consul', () => {
  test('is a place in the KV store of a datacenter, asked with a token by reference', () => {
    const stack = parseStack(withWitness('infisical-on-premise', WITNESS), 'standby.yaml', kinds)
    expect(stack.witness).toEqual({
      driver: 'consul',
      spec: {
        endpoint: 'https://consul.dc-c.example.com:8501',
        datacenter: 'dc3',
        prefix: 'infisical/',
        token: { env: 'STANDBY_WITNESS_TOKEN' },
      },
    })
  })

  test.each([
    ['without its datacenter, of which each has its own store', 'datacenter: dc3', 'endpointCA: ca.pem', 'witness: '],
    ['with a path', ':8501', ':8501/v1/kv', 'witness.endpoint: '],
    [
      'with a token in clear',
      '{ env: STANDBY_WITNESS_TOKEN }',
      '2f6c1c3e-0a4b-4a39-9d1a-6f3c7f0b0b0b',
      'witness.token: ',
    ],
  ])('%s is refused', (_, from, to, at) => {
    const found = problems(
      withWitness(
        'infisical-on-premise',
        WITNESS.replace(from, () => to),
      ),
    )
    expect(found).toEqual(expect.arrayContaining([expect.stringContaining(at)]))
  })

  test('is asked by guards with a token, and one with access keys is refused', () => {
    expect(problems(withWitness('infisical-on-premise', WITNESS, 'keys'))).toEqual([
      expect.stringContaining('.witnessCredentials: holds access keys, and the witness is asked with a token'),
    ])
  })

  test('over a public network without TLS is warned of', () => {
    const text = withWitness('infisical-on-premise', WITNESS.replace('https:', 'http:'))
    expect(warnings(text)).toContainEqual(expect.stringContaining('witness.endpoint: '))
  })

  test.each([
    ['https://localhost:8501', 1],
    ['https://127.0.0.1:8501', 1],
    ['https://[::1]:8501', 1],
    ['https://consul.dc-c.example.com:8501', 0],
  ])('at %s is warned of %i times: the clock of each machine would be that of the witness', (endpoint, times) => {
    const text = withWitness('infisical-on-premise', WITNESS.replace('https://consul.dc-c.example.com:8501', endpoint))
    expect(warnings(text).filter((line) => /^witness\.endpoint: .* clock/.test(line)).length).toBe(times)
  })

  test('has rules for each identity: what a guard may read is active.json alone', () => {
    const stack = parseStack(withWitness('infisical-on-premise', WITNESS), 'standby.yaml', kinds)
    expect(aclRules(stack, ['guard', 'observer'])).toEqual({
      guard: 'key "infisical/active.json" { policy = "read" }\n',
      observer: 'key_prefix "infisical/" { policy = "read" }\n',
    })
    expect(aclRules(stack, ['deployer'])?.deployer).not.toContain('active.json')
  })
})

describe('a witness inside a declared site', () => {
  const inside = (site: string): string => `${WITNESS}  site: ${site}\n`

  test('is refused for two sites: the loss of that one could not be answered', () => {
    expect(problems(withWitness('infisical-kubernetes', inside('dc-b')))).toEqual([
      expect.stringContaining('witness.site: of two sites, dc-b may be the one that is lost'),
    ])
  })

  test('is taken for three, and warned of where that site is the first active one', () => {
    const ofWitness = (text: string) => warnings(text).filter((line) => line.startsWith('witness.site'))
    expect(ofWitness(withWitness('infisical-on-premise', inside('dc-c')))).toEqual([])
    expect(ofWitness(withWitness('infisical-on-premise', inside('dc-a')))).toEqual([
      expect.stringContaining('dc-a becomes the active site at first'),
    ])
  })

  test('that is not declared is refused', () => {
    expect(problems(withWitness('infisical-on-premise', inside('dc-x')))).toEqual([
      expect.stringContaining('witness.site: no site dc-x is declared'),
    ])
  })
})
