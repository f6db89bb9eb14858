import { expect, test } from '@jest/globals'
import type { Mode } from '../../../src/domain/plan.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { StandbyError } from '../../../src/errors/standby-error.ts'
import type { Observation, SiteView } from '../../../src/observation/observation.ts'
import { intentOf, type MoveRequest } from '../../../src/planning/resolve-intent.ts'
import { toyStack } from '../../support/toy-stack.ts'

function refusedWith(activeSite: string, request: MoveRequest): Pick<StandbyError, 'code' | 'next'> | null {
  const active = {
    schemaVersion: 1,
    stack: 'toy',
    epoch: 1,
    activeSite,
    since: '2026-11-20T00:00:00.000Z',
    run: 'deploy',
  } as const
  const observation: Observation = {
    at: '',
    witness: { kind: 'answering', active, lock: null },
    sites: {},
    components: {},
  }
  try {
    intentOf(toyStack, observation, request)
    return null
  } catch (error) {
    const { code, next } = error as StandbyError
    return { code, next }
  }
}

test('a request for a move that cannot begin is refused with what to do instead', () => {
  const request: MoveRequest = { mode: 'switchover', to: 'dc-b' }
  const refused = [
    refusedWith('dc-a', { ...request, from: 'dc-b' }),
    refusedWith('dc-x', request),
    refusedWith('dc-b', request),
    refusedWith('dc-a', { ...request, to: 'dc-x' }),
    refusedWith('dc-a', { ...request, acceptLoss: 1 }),
  ]
  expect(refused.map((one) => one?.code)).toEqual([
    'not-the-active-site',
    'active-site-undeclared',
    'already-active',
    'unknown-site',
    'input-invalid',
  ])
  for (const one of refused) expect(one?.next).toMatch(/\w.*\.$/)
})

test('while the witness is silent no site is reported as active: a plan to look at takes what is named, or the first', () => {
  const observation: Observation = { at: '', witness: { kind: 'silent', why: 'no answer' }, sites: {}, components: {} }
  const asked = (request: Partial<MoveRequest>) =>
    intentOf(toyStack, observation, { mode: 'switchover', to: 'dc-b', ...request })
  expect(asked({})).toMatchObject({ from: 'dc-a', to: 'dc-b' })
  expect(asked({ from: 'dc-b', to: 'dc-a' })).toMatchObject({ from: 'dc-b', to: 'dc-a' })
  expect(() => asked({ to: 'dc-a' })).toThrow(expect.objectContaining({ code: 'witness-silent' }))
  expect(() => asked({ from: 'dc-x' })).toThrow(expect.objectContaining({ code: 'unknown-site' }))
})

test('where no target is named, the first declared site that answers and is not active is taken; a rejoin must name it', () => {
  const active = {
    schemaVersion: 1,
    stack: 'toy',
    epoch: 1,
    activeSite: 'dc-a',
    since: '2026-11-20T00:00:00.000Z',
    run: 'deploy',
  } as const
  const third = { name: 'dc-c' as SiteName, platforms: { kubernetes: { kubeconfig: { env: 'K' }, clusterId: 'uid' } } }
  const stack = { ...toyStack, sites: [...toyStack.sites, third] }
  const view = (up: boolean): SiteView =>
    up
      ? { kind: 'answering', identity: 'uid', version: 'v1.34', latency: 1 }
      : { kind: 'silent', cause: 'no-answer', why: 'no answer', triedFrom: ['this runner'] }
  const asked = (b: boolean, c: boolean, mode: Mode = 'switchover') => {
    const sites = { 'dc-a': view(false), 'dc-b': view(b), 'dc-c': view(c) }
    return intentOf(
      stack,
      { at: '', witness: { kind: 'answering', active, lock: null }, sites, components: {} },
      { mode },
    )
  }
  expect(asked(true, true)).toMatchObject({ from: 'dc-a', to: 'dc-b' })
  expect(asked(false, true, 'failover')).toMatchObject({ from: 'dc-a', to: 'dc-c' })
  expect(() => asked(false, false)).toThrow(expect.objectContaining({ code: 'site-silent' }))
  expect(() => asked(true, true, 'rejoin')).toThrow(expect.objectContaining({ code: 'input-invalid' }))
})
