import { describe, expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { PlannedStep } from '../../../../src/domain/plan.ts'
import type { Progress } from '../../../../src/domain/progress.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { endLookStep, secondLookStep } from '../../../../src/drivers/helm-release/second-look.ts'
import type { HelmReleaseSpec } from '../../../../src/drivers/helm-release/spec.ts'
import type { JsonObject } from '../../../../src/values/json.ts'
import { applyAsSeen, undoAsSeen } from '../../../support/act-as-seen.ts'
import { asPlanned, behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import { helmRelease } from '../../../support/flat/drivers.ts'
import { theApplication } from '../../../support/helm-application.ts'
import { toyClock, toyStack } from '../../../support/toy-stack.ts'

const secondLook = behaviourOf(helmRelease, 'second-look')
const endLook = behaviourOf(helmRelease, 'end-look')

const A = 'dc-a' as SiteName
const ARGO = 'argocd-controller'

interface Kept {
  readonly by?: readonly string[]
  readonly replicas?: number
  readonly labels?: Record<string, string>
  readonly strategy?: object
  readonly kind?: 'Deployment' | 'StatefulSet'
  /** How many were there when the move was planned. */
  readonly before?: number | null
}

/**
 * A workload with users, whose `spec.replicas` has the managers that the API server would say: a change takes the field
 * from all others.
 */
function around({ by = [], replicas = 2, labels = {}, strategy = {}, kind = 'Deployment', before = replicas }: Kept) {
  const component = theApplication({ workload: { kind, name: 'app', container: 'app' } })
  const world = { replicas, pods: replicas, managers: [...by], version: 1, scaled: [] as number[] }
  const kubernetes = {
    get: async () =>
      ({
        metadata: {
          name: 'app',
          namespace: 'infisical',
          resourceVersion: String(world.version),
          labels,
          managedFields: world.managers.map((manager) => ({
            manager,
            time: '2026-11-29T12:00:04Z',
            fieldsV1: { 'f:spec': { 'f:replicas': {} } },
          })),
        },
        spec: { replicas: world.replicas, strategy, selector: { matchLabels: { app: 'app' } } },
      }) as unknown as KubernetesObject,
    list: async () =>
      Array.from({ length: world.pods }, (_, n) => ({ metadata: { name: `app-${n}` }, status: { phase: 'Running' } })),
    async patch(
      _: unknown,
      { spec }: { spec: { replicas: number } },
      options: { resourceVersion?: string; subresource?: string },
    ) {
      expect(options).toMatchObject({ resourceVersion: String(world.version), subresource: 'scale' })
      world.scaled.push(spec.replicas)
      write('standby', spec.replicas)
    },
  }
  function write(manager: string, number: number): void {
    world.managers = number === world.replicas ? [...new Set([...world.managers, manager])] : [manager]
    world.replicas = number
    world.version += 1
  }
  const clock = toyClock()
  const warnings: string[] = []
  const proofs: Record<string, JsonObject> = {}
  const context = {
    stack: toyStack,
    kubernetes: () => kubernetes,
    clock,
    log: { warning: (line: string) => warnings.push(line) },
  }
  const look = asPlanned(component, secondLookStep(component, A, before))
  const begin = (step: PlannedStep): FlatRun<HelmReleaseSpec> => {
    const signal = AbortSignal.timeout(5_000)
    const run = {
      step,
      component,
      intent: { mode: 'switchover', from: A, to: 'dc-b' },
      context,
      signal,
      applied: false,
    }
    return {
      ...run,
      begunAt: clock.now().toISOString(),
      proofOf: (id: string) => proofs[id] ?? null,
    } as unknown as FlatRun<HelmReleaseSpec>
  }
  /** As the engine writes the journal. */
  const prove = (progress: Progress): void => {
    if (progress.is !== 'done') throw new Error(`not done: ${JSON.stringify(progress)}`)
    proofs[look.id] = progress.proof
  }
  return {
    world,
    clock,
    warnings,
    write,
    prove,
    begin: () => begin(look),
    end: () => begin(asPlanned(component, endLookStep(component, A))),
  }
}

describe('the second look at a release, before any door is closed', () => {
  test.each([
    ['no one else', []],
    ['helm, kubectl and Standby', ['helm', 'kubectl-scale', 'standby']],
    ['an autoscaler', ['kube-controller-manager']],
  ])('changes nothing, and waits for nothing, where %s wrote the replicas', async (_, by) => {
    const { world, begin, end, prove } = around({ by })
    const seen = await applyAsSeen(secondLook, begin())
    expect(seen).toEqual({ is: 'done', proof: { others: [] } })
    prove(seen)
    world.pods = 5
    expect(await endLook.done(end())).toMatchObject({ is: 'done' })
    expect(world.scaled).toEqual([])
  })

  test('refuses the move when another controller takes one replica more back, with the command that pauses it', async () => {
    const { world, begin, write, clock } = around({ by: [ARGO] })
    const run = begin()
    await applyAsSeen(secondLook, run)
    expect(world.scaled).toEqual([3])
    clock.pass(5_000)
    write(ARGO, 2)
    expect(await secondLook.done(run)).toMatchObject({
      is: 'failed',
      code: 'reverted-by-others',
      why: `${ARGO} has changed spec.replicas of Deployment/app on dc-a back to 2, a moment after it was set to 3: it would take back the move as well. Users noticed nothing`,
      next: expect.stringContaining('--sync-policy none'),
    })
    expect(await undoAsSeen(secondLook, run)).toMatchObject({ is: 'done' })
    expect(world.scaled).toEqual([3])
  })

  test('sees a controller by the label that it leaves, where its name stands at no field', async () => {
    const { world, begin } = around({ labels: { 'argocd.argoproj.io/instance': 'shop' } })
    const run = begin()
    await applyAsSeen(secondLook, run)
    expect(world.scaled).toEqual([3])
    expect(await secondLook.done(run)).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('Argo CD (application shop)'),
    })
  })

  test('lets the move go on after seven seconds, with as many replicas as before, once the pod of the one more is gone', async () => {
    const { world, begin, end, prove, clock } = around({ by: [ARGO] })
    const run = begin()
    await applyAsSeen(secondLook, run)
    world.pods = 3
    clock.pass(6_900)
    expect(await secondLook.done(run)).toMatchObject({ is: 'pending', waitingFor: expect.stringContaining('Argo CD') })
    clock.pass(200)
    prove(await secondLook.done(run))
    const ending = end()
    await applyAsSeen(endLook, ending)
    expect(world.replicas).toBe(2)
    expect(await endLook.done(ending)).toEqual({ is: 'pending', waitingFor: '1 pod of app to end' })
    world.pods = 2
    expect(await endLook.done(ending)).toEqual({ is: 'done', proof: { replicas: 2 } })
  })

  test('does not call an autoscaler that finds one replica more too many another controller', async () => {
    const { world, begin, end, prove, write } = around({ by: [ARGO] })
    const run = begin()
    await applyAsSeen(secondLook, run)
    write('kube-controller-manager', 2)
    prove(await secondLook.done(run))
    expect(await applyAsSeen(endLook, end())).toMatchObject({ is: 'done' })
    expect(world.replicas).toBe(2)
  })

  test('takes back what was there, and not what was planned, where an autoscaler has changed it since', async () => {
    const { world, begin, end, prove, clock } = around({ by: [ARGO], replicas: 4, before: 2 })
    const run = begin()
    await applyAsSeen(secondLook, run)
    clock.pass(7_001)
    prove(await secondLook.done(run))
    await undoAsSeen(secondLook, run)
    await applyAsSeen(endLook, end())
    expect(world.scaled).toEqual([5, 4])
  })

  test.each([
    ['is recreated instead of rolled', { strategy: { type: 'Recreate' } }],
    ['rolls without one pod more', { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0 } } }],
    ['is a StatefulSet, which would make a volume that stays', { kind: 'StatefulSet' as const }],
  ])('tries nothing, and says so, on a workload that %s', async (_, more) => {
    const { world, begin, warnings } = around({ by: [ARGO], ...more })
    expect(await applyAsSeen(secondLook, begin())).toEqual({ is: 'done', proof: { others: ['Argo CD'], tried: false } })
    expect(world.scaled).toEqual([])
    expect(warnings).toEqual([expect.stringContaining('Argo CD keeps')])
  })

  test('never starts a workload that sleeps', async () => {
    const { world, begin } = around({ by: [ARGO], replicas: 0 })
    expect(await applyAsSeen(secondLook, begin())).toMatchObject({ is: 'done' })
    expect(world.scaled).toEqual([])
  })
})

describe('one replica more that a dead process has left', () => {
  async function diedAmid(more: Kept = {}) {
    const one = around({ by: [ARGO], ...more })
    await applyAsSeen(secondLook, one.begin())
    expect(one.world.managers).toEqual(['standby'])
    return one
  }

  test('is looked at for seven seconds by the process that continues the run, and is not made two', async () => {
    const { world, begin, end, prove, clock } = await diedAmid()
    const run = begin()
    expect(await applyAsSeen(secondLook, run)).toMatchObject({ is: 'pending' })
    expect(world.replicas).toBe(3)
    clock.pass(7_001)
    prove(await secondLook.done(run))
    await applyAsSeen(endLook, end())
    expect(world.replicas).toBe(2)
  })

  test('goes when the run is taken back by another process', async () => {
    const { world, begin } = await diedAmid()
    expect(await undoAsSeen(secondLook, begin())).toMatchObject({ is: 'pending' })
    expect(world.replicas).toBe(2)
    expect(await undoAsSeen(secondLook, begin())).toEqual({ is: 'done', proof: { replicas: 2 } })
  })

  test('is not fought over where another number was written since', async () => {
    const { world, begin, write } = await diedAmid()
    write(ARGO, 5)
    expect(await undoAsSeen(secondLook, begin())).toMatchObject({ is: 'done' })
    expect(world.replicas).toBe(5)
  })

  test('is left to the step that stops the application, where it is stopped by now', async () => {
    const { world, begin, write } = await diedAmid()
    write('standby', 0)
    expect(await undoAsSeen(secondLook, begin())).toMatchObject({ is: 'done' })
    expect(world.replicas).toBe(0)
  })
})
