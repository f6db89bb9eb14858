import { describe, expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import * as move from '../../../../src/drivers/cloudnative-pg/move/second-look.ts'
import type { CloudNativePgSpec } from '../../../../src/drivers/cloudnative-pg/spec.ts'
import { applyAsSeen, undoAsSeen } from '../../../support/act-as-seen.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { toyClock } from '../../../support/toy-stack.ts'
import { cluster } from './cluster-states.ts'
import { databaseStack, theDatabase } from './database-stack.ts'
import { behaviourOf, planned } from './of-kit.ts'

const intent: Intent = { mode: 'switchover', from: 'dc-a' as SiteName, to: 'dc-b' as SiteName }
const database = theDatabase()
const secondLook = behaviourOf(move.secondLook)
const writtenBy = (manager: string): object => ({
  manager,
  time: '2026-11-29T12:00:04Z',
  fieldsV1: { 'f:spec': { 'f:replica': { 'f:primary': {}, 'f:source': {} } } },
})

/** The active cluster, with or without other managers. */
function around(managers: readonly string[], replica: Record<string, string> = {}) {
  const live = cluster('pg-dc-a')
  let now = {
    ...live,
    metadata: { ...live.metadata, resourceVersion: '41', managedFields: managers.map(writtenBy) },
    spec: { ...live.spec, replica: { ...live.spec.replica, ...replica } },
  }
  const patches: object[] = []
  const write = (more: Record<string, string>): void => {
    const resourceVersion = String(Number(now.metadata.resourceVersion) + 1)
    now = {
      ...now,
      metadata: { ...now.metadata, resourceVersion },
      spec: { ...now.spec, replica: { ...now.spec.replica, ...more } },
    }
  }
  const kubernetes = {
    get: async () => now as unknown as KubernetesObject,
    async patch(
      _: unknown,
      patch: { spec: { replica: Record<string, string> } },
      options: { resourceVersion?: string },
    ) {
      expect(options.resourceVersion).toBe(now.metadata.resourceVersion)
      patches.push(patch)
      write(patch.spec.replica)
      return now
    },
  }
  const clock = toyClock()
  const context = { stack: databaseStack(database), kubernetes: () => kubernetes, clock }
  const begun = (): FlatRun<CloudNativePgSpec> => {
    const run = {
      step: planned(database, move.secondLookStep(database, intent)),
      component: database,
      intent,
      context,
      proofOf: () => null,
    }
    const signal = AbortSignal.timeout(5_000)
    return {
      ...run,
      signal,
      begunAt: clock.now().toISOString(),
      applied: false,
    } as unknown as FlatRun<CloudNativePgSpec>
  }
  return { run: begun(), begun, patches, clock, write, source: () => now.spec.replica.source }
}

describe('the second look, before any door is closed', () => {
  test.each([
    ['no manager', []],
    ['kubectl, the operator and Standby', ['kubectl-client-side-apply', 'manager', 'standby']],
  ])('changes nothing, and waits for nothing, where %s wrote the direction', async (_, managers) => {
    const { run, patches } = around(managers)
    expect(await applyAsSeen(secondLook, run)).toEqual({ is: 'done', proof: { others: [] } })
    expect(patches).toEqual([])
  })

  test('refuses the move when another controller takes the harmless change back, with the command that pauses it', async () => {
    const { run, patches, write, clock } = around(['argocd-controller'])
    expect(await applyAsSeen(secondLook, run)).toMatchObject({ is: 'pending' })
    expect(patches).toEqual([{ spec: { replica: { source: 'pg-dc-a' } } }])
    clock.pass(5_000)
    write({ source: 'pg-dc-b' })
    expect(await secondLook.done(run)).toMatchObject({
      is: 'failed',
      code: 'reverted-by-others',
      why: expect.stringContaining('argocd-controller has changed spec.replica.source of pg-dc-a back to pg-dc-b'),
      next: expect.stringContaining('--sync-policy none'),
    })
  })

  test('lets the move go on after seven seconds in which no controller took it back', async () => {
    const { run, clock } = around(['argocd-controller'])
    await applyAsSeen(secondLook, run)
    clock.pass(6_900)
    expect(await secondLook.done(run)).toMatchObject({ is: 'pending', waitingFor: expect.stringContaining('Argo CD') })
    clock.pass(200)
    expect(await secondLook.done(run)).toEqual({ is: 'done', proof: { others: ['Argo CD'], takenBack: false } })
  })

  test('is done anew by the process that continues the run, also where the change of the first process is there', async () => {
    const { run, begun, source, patches, clock } = around(['argocd-controller'])
    await applyAsSeen(secondLook, run)
    const second = begun()
    await applyAsSeen(secondLook, second)
    expect(source()).toBe('pg-dc-b')
    expect(patches).toHaveLength(2)
    clock.pass(7_001)
    expect(await secondLook.done(second)).toMatchObject({ is: 'done' })
  })

  test('leaves the active cluster as a deploy does, when the move is taken back', async () => {
    const { run, source } = around(['argocd-controller'])
    await applyAsSeen(secondLook, run)
    expect(await undoAsSeen(secondLook, run)).toMatchObject({ is: 'pending' })
    expect(source()).toBe('pg-dc-b')
    expect(await undoAsSeen(secondLook, run)).toEqual({ is: 'done', proof: { source: 'pg-dc-b' } })
  })

  test('takes nothing back on a cluster that follows another one by now', async () => {
    const { run, patches } = around(['argocd-controller'], { primary: 'pg-dc-b', source: 'pg-dc-b' })
    expect(await undoAsSeen(secondLook, run)).toMatchObject({ is: 'done' })
    expect(patches).toEqual([])
  })
})
