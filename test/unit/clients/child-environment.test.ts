import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type ChildPurpose, environmentFor } from '../../../src/clients/child-environment.ts'

const PURPOSES: readonly ChildPurpose[] = ['program', 'helm', 'login']

const OF_A_RUNNER = {
  INPUT_CREDENTIALS: 'x',
  'INPUT_GITHUB-TOKEN': 'x',
  GITHUB_TOKEN: 'x',
  GH_TOKEN: 'x',
  GITHUB_OUTPUT: 'x',
  ACTIONS_RUNTIME_TOKEN: 'x',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'x',
  RUNNER_TEMP: 'x',
  STANDBY_HELM: 'x',
  NODE_OPTIONS: '--require=x',
  LD_PRELOAD: 'x',
  SSH_AUTH_SOCK: 'x',
  KC_A: 'x',
}

describe('the environment of a child', () => {
  test.each(PURPOSES)('holds nothing of the runner and of ours (%s)', (purpose) => {
    expect(
      environmentFor(
        purpose,
        {},
        { ...OF_A_RUNNER, PATH: '/bin', HOME: '/root', https_proxy: 'http://p:1', LC_ALL: 'C' },
      ),
    ).toEqual({
      SHLVL: '1',
      PATH: '/bin',
      HOME: '/root',
      https_proxy: 'http://p:1',
      LC_ALL: 'C',
    })
  })

  test('holds a login to a cloud for the credential program alone', () => {
    const own = { AWS_PROFILE: 'prod', AZURE_FEDERATED_TOKEN_FILE: '/t', CLOUDSDK_CONFIG: '/g', KUBECONFIG: '/k' }
    expect(environmentFor('login', {}, own)).toEqual({ SHLVL: '1', ...own })
    expect(environmentFor('program', {}, own)).toEqual({ SHLVL: '1' })
    expect(environmentFor('helm', {}, own)).toEqual({ SHLVL: '1' })
  })

  test('lets what was declared win, and drops what is undefined', () => {
    expect(
      environmentFor(
        'program',
        { HOME: '/h', GITHUB_TOKEN: 'declared', NOT: undefined },
        { HOME: '/root', PATH: '/bin' },
      ),
    ).toEqual({
      SHLVL: '1',
      HOME: '/h',
      GITHUB_TOKEN: 'declared',
      PATH: '/bin',
    })
  })

  test('never holds a name of the runner, whatever follows its prefix', () => {
    const prefixes = fc.constantFrom('INPUT_', 'ACTIONS_', 'GITHUB_', 'RUNNER_', 'STANDBY_')
    const never = (purpose: ChildPurpose, rest: string, prefix: string): void =>
      expect(environmentFor(purpose, {}, { [prefix + rest]: 'x' })).toEqual({ SHLVL: '1' })
    fc.assert(fc.property(fc.constantFrom(...PURPOSES), fc.string(), prefixes, never))
  })
})
