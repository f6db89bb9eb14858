import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { openObjectStore } from '../../../../src/clients/object-store.ts'
import type { Observed } from '../../../../src/domain/observed.ts'
import type { Component, SiteName } from '../../../../src/domain/stack.ts'
import type { Assessment } from '../../../../src/driver/assessment.ts'
import type { DeployUnit } from '../../../../src/driver/deployment.ts'
import type { S3State } from '../../../../src/drivers/s3/observe.ts'
import type { S3Spec } from '../../../../src/drivers/s3/spec.ts'
import { awakeClock } from '../../../support/awake-clock.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { s3 } from '../../../support/flat/drivers.ts'
import { type ObjectStoreServer, startObjectStore } from '../../../support/object-store.ts'
import { freePorts } from '../../../support/server-process.ts'
import { toyStack } from '../../../support/toy-stack.ts'
import { deploymentTo, failover, rejoin, switchover } from '../../../support/traffic.ts'
import { s3Error, startVendorStore } from '../../../support/vendor-store.ts'

jest.setTimeout(30_000)

const [dcA, dcB] = ['dc-a', 'dc-b'] as unknown as readonly [SiteName, SiteName]
let server: ObjectStoreServer
let nobody: string
beforeAll(async () => {
  server = await startObjectStore()
  const [port] = await freePorts(1)
  nobody = `http://127.0.0.1:${port}`
}, 60_000)
afterAll(() => server.stop())

const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } }
const place = { region: 'us-east-1', bucket: 'bucket', credentials: keys }
const archiveOf = (sites: S3Spec['sites']): Component<S3Spec> => ({
  name: 'archive',
  driver: 's3',
  needs: [],
  spec: { sites },
})
const archive = (): Component<S3Spec> =>
  archiveOf({ 'dc-a': { ...place, endpoint: server.endpoint, prefix: 'a/' }, 'dc-b': { ...place, endpoint: nobody } })

/** The part of a context that this driver uses. */
function contextFor(component: Component<S3Spec>, opened: string[] = []): FlatContext {
  const { accessKeyId, secretAccessKey } = server.access()
  return {
    stack: toyStack,
    signal: AbortSignal.timeout(2_000),
    clock: { now: () => new Date() },
    objectStore(_name: string, site: SiteName) {
      const location = s3.objectStore?.(component, site)
      if (location === undefined) throw new Error('no location')
      const { endpoint, region, bucket, prefix } = location
      return {
        location,
        open: async (access = 'read') => {
          opened.push(access)
          return openObjectStore({ endpoint, region, bucket, prefix, accessKeyId, secretAccessKey })
        },
      }
    },
  } as unknown as FlatContext
}
const unitFor = async (component: Component<S3Spec>, opened: string[] = []): Promise<DeployUnit> => {
  const [unit] = (await s3.deploy?.(component, dcA, deploymentTo(dcA), contextFor(component, opened))) ?? []
  if (unit === undefined) throw new Error('no unit')
  return unit
}
const findings = (states: Readonly<Record<string, Observed<S3State>>>, intent: typeof switchover | null) => {
  const assessment: Assessment = {
    now: '2026-11-21T00:00:00Z',
    objectives: toyStack.objectives,
    activeSite: 'dc-a',
    stack: toyStack,
  }
  return s3
    .assess(archive(), states, intent, assessment)
    .map(({ code, severity, site }) => `${severity} ${code} ${site}`)
}

describe('an archive', () => {
  test('is probed by the first deploy with real writes, leaves only the result, and the second deploy changes nothing', async () => {
    const signal = AbortSignal.timeout(10_000)
    const opened: string[] = []
    const first = await unitFor(archive(), opened)
    expect(await first.diff(signal)).toEqual([
      { kind: 'create', object: `${server.endpoint}/bucket/a/standby-probe/result.json` },
    ])
    expect(opened).toEqual(['read'])
    await first.apply(signal)
    expect(await first.ready(signal)).toEqual({ is: 'done', proof: { conditionalWrites: true } })
    expect(await (await unitFor(archive())).diff(signal)).toEqual([])
    expect((await openObjectStore(server.access()).list('')).map(({ key }) => key)).toEqual([
      'a/standby-probe/result.json',
    ])
  })

  test('tells by reading alone whether it keeps versions and what the probe found', async () => {
    const opened: string[] = []
    expect(await s3.observe(archive(), dcA, contextFor(archive(), opened))).toMatchObject({
      kind: 'answering',
      state: { bucket: 'bucket', versioning: expect.any(String), conditionalWrites: true },
    })
    expect(opened).toEqual(['read'])
  })

  test.each([
    ['says so', s3Error(501, 'NotImplemented')],
    ['answers 400', s3Error(400, 'InvalidArgument')],
  ])(
    'of a store that knows no preconditions, and %s to one, is deployed, and that is written down',
    async (_, answer) => {
      await using vendor = await startVendorStore()
      vendor.says = ({ headers }) => (headers['if-none-match'] === undefined ? null : answer)
      const unit = await unitFor(archiveOf({ 'dc-a': { ...place, endpoint: vendor.endpoint } }))
      const signal = AbortSignal.timeout(10_000)
      await unit.apply(signal)
      expect(await unit.ready(signal)).toEqual({ is: 'done', proof: { conditionalWrites: false } })
    },
  )

  test('with a damaged probe result is seen all the same', async () => {
    const component = archiveOf({ 'dc-a': { ...place, endpoint: server.endpoint, prefix: 'damaged/' } })
    await openObjectStore(server.access('damaged/')).put('standby-probe/result.json', 'not json')
    expect(await s3.observe(component, dcA, contextFor(component))).toMatchObject({
      kind: 'answering',
      state: { conditionalWrites: null },
    })
  })

  test('that does not answer is silent in time, with the reason, and stands against a move', async () => {
    const took = awakeClock()
    const seen = (await s3.observe(archive(), dcB, contextFor(archive()))) as Observed<S3State>
    expect(took()).toBeLessThan(3_000)
    expect(seen).toMatchObject({ kind: 'silent', why: expect.stringContaining(nobody) })
    expect(findings({ 'dc-b': seen }, switchover)).toEqual(['blocker object-store-silent dc-b'])
    expect(findings({ 'dc-b': seen }, null)).toEqual(['warning object-store-silent dc-b'])
  })

  test('of a lost site holds up no failover, that of the new one does; a rejoin needs both', () => {
    const seen: Observed<S3State> = { kind: 'silent', why: 'no answer' }
    expect(findings({ 'dc-a': seen }, failover)).toEqual(['warning object-store-silent dc-a'])
    expect(findings({ 'dc-b': seen }, failover)).toEqual(['blocker object-store-silent dc-b'])
    expect(findings({ 'dc-a': seen, 'dc-b': seen }, rejoin)).toHaveLength(2)
    expect(findings({ 'dc-a': seen, 'dc-b': seen }, rejoin).every((one) => one.startsWith('blocker'))).toBe(true)
  })

  test('is asked before a rejoin builds on it, and waited for while it does not answer', async () => {
    const reached = async (component: Component<S3Spec>) => {
      const [step] = s3.rejoin?.(component, {}, rejoin, toyStack) ?? []
      const context = contextFor(component)
      return s3.behaviours.reach?.done({
        step,
        component,
        context,
        signal: context.signal,
      } as unknown as FlatRun<S3Spec>)
    }
    expect(await reached(archive())).toMatchObject({ is: 'done', proof: { bucket: 'bucket' } })
    const away = archiveOf({ 'dc-a': { ...place, endpoint: nobody } })
    expect(await reached(away)).toMatchObject({ is: 'pending', waitingFor: expect.stringContaining(nobody) })
    const missing = archiveOf({ 'dc-a': { ...place, endpoint: server.endpoint, bucket: 'none' } })
    await expect(reached(missing)).rejects.toMatchObject({ code: 'object-store-missing-bucket' })
  })

  test('without versions gives a warning, one that does not say gives none', () => {
    const seen = (versioning: S3State['versioning']): Observed<S3State> => ({
      kind: 'answering',
      state: { bucket: 'bucket', versioning, conditionalWrites: true },
      role: 'unknown',
      health: 'healthy',
      text: '',
      facts: [],
    })
    expect(findings({ 'dc-a': seen('enabled'), 'dc-b': seen('unknown') }, switchover)).toEqual([])
    expect(findings({ 'dc-a': seen('suspended'), 'dc-b': seen('off') }, switchover)).toEqual([
      'info object-store-unversioned dc-a',
      'info object-store-unversioned dc-b',
    ])
  })
})

test('only the deployer may delete, and only below the probe', () => {
  const component = archiveOf({ 'dc-a': { ...place, endpoint: 'https://s3.example.com', prefix: 'a/' } })
  const deleting = s3
    .access(component, toyStack)
    .filter((rule) => rule.kind === 'object-store' && rule.actions.includes('delete'))
  expect(deleting).toMatchObject([{ identity: 'deployer', prefix: 'a/standby-probe/' }])
})
