import { describe, expect, test } from '@jest/globals'
import type { Component, SiteName, Stack } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import { guard } from '../../../../src/drivers/guard/driver.ts'
import { machineFiles } from '../../../../src/drivers/guard/hosts/machine-files.ts'
import { observeMachines } from '../../../../src/drivers/guard/hosts/observe.ts'
import type { GuardComponent, GuardSpec } from '../../../../src/drivers/guard/spec.ts'
import { drivers } from '../../../../src/drivers/registry.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { fileFolder } from '../../../../src/guard/names.ts'
import type { GuardReport } from '../../../../src/guard/report.ts'
import { closedByGuard } from '../../../../src/planning/fence-coverage.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const A = 'dc-a' as SiteName
const NOW = '2026-11-21T12:00:00.000Z'
const keys = { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } }
const component: GuardComponent = {
  name: 'guard',
  driver: 'guard',
  needs: [],
  spec: { on: 'hosts', witnessCredentials: keys, closeAfter: '30s', silence: '15s' },
}
const report = (more: Partial<GuardReport> = {}): GuardReport => ({
  schemaVersion: 1,
  at: NOW,
  since: NOW,
  site: 'dc-a',
  decision: 'stand-by',
  because: 'active',
  epoch: 5,
  activeSite: 'dc-a',
  witnessSilent: null,
  closed: [],
  open: [],
  lastClosing: null,
  configuration: '',
  closesWithin: 143_000,
  ...more,
})

/** Two machines, and what each answers; null: it does not answer. */
async function seen(answers: Record<string, string | null>) {
  const run = async (machine: string) => {
    const stdout = answers[machine]
    if (stdout === null || stdout === undefined) throw siteError('ssh-unreachable', 'no route to host')
    return { code: 0, stdout, stderr: '' }
  }
  const context = {
    stack: toyStack,
    signal: new AbortController().signal,
    clock: { now: () => new Date(NOW) },
    platform: () => ({ machines: Object.fromEntries(Object.keys(answers).map((name) => [name, {}])), run }),
  } as unknown as DriverContext
  const state = await observeMachines(component, A, context)
  const at = { now: NOW, objectives: toyStack.objectives, activeSite: 'dc-a', stack: toyStack }
  const findings = guard.assess.status(component, { [A]: state }, at)
  return { state, codes: findings.map(({ code }) => code), findings }
}
const runs = (said: GuardReport | null): string => `loaded\nactive\n${said === null ? '' : JSON.stringify(said)}`

describe('the guards of the machines of a site', () => {
  test('that all report are no finding', async () => {
    const { state, codes } = await seen({ 'db-1': runs(report()), 'db-2': runs(report()) })
    expect(state).toMatchObject({ kind: 'answering', health: 'healthy', text: '2 of 2 machines guarded' })
    expect(codes).toEqual([])
  })
  test('are judged one by one: one that does not run is named with its machine', async () => {
    const { findings, codes } = await seen({
      'db-1': runs(report()),
      'db-2': 'loaded\nfailed\n',
      'db-3': 'not-found\ninactive\n',
      'db-4': null,
      'db-5': runs(null),
    })
    expect(codes).toEqual(['guard-not-running', 'guard-not-running', 'guard-not-running', 'guard-stale'])
    for (const [index, machine] of ['db-2', 'db-3', 'db-4', 'db-5'].entries())
      expect(findings[index]?.what).toContain(`the guard of ${machine} on dc-a`)
  })
  test('that do not answer at all are silent, and those that are nowhere are absent', async () => {
    expect((await seen({ 'db-1': null, 'db-2': null })).state.kind).toBe('silent')
    expect((await seen({ 'db-1': 'not-found\ninactive\n', 'db-2': null })).state.kind).toBe('absent')
  })
  test('name a unit that would start without their leave', async () => {
    const gatesMissing = [{ what: 'patroni.service', why: 'it does not require its gate' }]
    const { findings, codes } = await seen({ 'db-1': runs(report({ gatesMissing })) })
    expect(codes).toEqual(['gate-missing'])
    expect(findings[0]?.what).toContain('patroni.service on db-1')
  })
  test('are trusted to close a lost site in the time that all others state, as on Kubernetes', async () => {
    const intent = { mode: 'failover', from: 'dc-b' as SiteName, to: A } as const
    const of = async (said: GuardReport, others: Record<string, string> = {}) =>
      guard.selfFences?.selfFencing(
        component,
        { [A]: (await seen({ 'db-1': runs(said), ...others })).state },
        intent,
        toyStack,
      )
    expect(await of(report())).toMatchObject({ within: 143_000 })
    expect(await of(report({ closesWithin: 150_000 }))).toMatchObject({ within: null })
    // Where one machine was left out, one of the lost site may have been, too.
    expect(await of(report(), { 'db-2': 'not-found\ninactive\n' })).toMatchObject({
      within: null,
      why: 'no guard is deployed on db-2 of dc-a',
    })
  })
})

describe('a guard on hosts', () => {
  const one = (driver: string): Component => ({ name: driver, driver, needs: [], spec: {} })
  const closedIn = (spec: Partial<GuardSpec>): string[] => {
    const own = { ...one('guard'), spec: { ...component.spec, ...spec } } as unknown as Component
    const others = ['patroni', 'redis-sentinel', 'postgres', 'helm-release', 's3'].map(one)
    const stack: Stack = { ...toyStack, components: [...others, own] }
    return others.filter(closedByGuard(stack, drivers)).map(({ driver }) => driver)
  }
  test('closes the components that declare their units, and one on Kubernetes those with fences there', () => {
    expect(closedIn({ on: 'hosts' })).toEqual(['patroni', 'redis-sentinel'])
    expect(closedIn({ on: 'kubernetes' })).toEqual(['helm-release'])
  })
  test('needs no image, one on Kubernetes does, and neither takes what is of the other', () => {
    const problems = (spec: Partial<GuardSpec>) =>
      guard
        .validate?.({ ...component, spec: { witnessCredentials: keys, ...spec } }, toyStack, () => null)
        .map(({ what }) => what)
    expect(problems({ on: 'hosts' })).toEqual([])
    expect(problems({})).toEqual(['declares no image, which a guard on kubernetes needs'])
    expect(problems({ on: 'hosts', image: 'node:24' })).toEqual(['is of a guard on kubernetes, and this one is not'])
    expect(problems({ image: 'node:24', node: '/usr/bin/node' })).toEqual([
      'is of a guard on hosts, and this one is not',
    ])
  })
  test('keeps its keys in one file that only root reads, and another configuration is another hash', () => {
    const parts = {
      program: { packed: '', bytes: 0, sha256: 'p' },
      stackFile: 'name: toy',
      authorities: null,
      variables: { KEY: 'se"cr\\et' },
    }
    const { files, configuration } = machineFiles(component, toyStack, A, 'db-1', parts)
    const holding = files.filter(({ content }) => content.includes('cr\\'))
    expect(holding).toEqual([
      { path: `${fileFolder('toy')}/environment`, mode: '600', content: 'KEY="se\\"cr\\\\et"\n' },
    ])
    for (const changed of [{ stackFile: 'name: other' }, { variables: { KEY: 'x' } }])
      expect(machineFiles(component, toyStack, A, 'db-1', { ...parts, ...changed }).configuration).not.toBe(
        configuration,
      )
    expect(machineFiles(component, toyStack, A, 'db-1', parts).configuration).toBe(configuration)
  })
})
