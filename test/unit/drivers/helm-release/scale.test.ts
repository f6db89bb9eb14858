import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { Intent } from '../../../../src/domain/plan.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverStep } from '../../../../src/driver/action.ts'
import { startStep, stopStep } from '../../../../src/drivers/helm-release/scale.ts'
import type { HelmReleaseSpec } from '../../../../src/drivers/helm-release/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { applyAsSeen, undoAsSeen } from '../../../support/act-as-seen.ts'
import { asPlanned, behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { helmRelease } from '../../../support/flat/drivers.ts'
import { theApplication } from '../../../support/helm-application.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const stop = behaviourOf(helmRelease, 'stop')
const start = behaviourOf(helmRelease, 'start')

const [A, B] = ['dc-a' as SiteName, 'dc-b' as SiteName]
const component = theApplication()

/** A cluster with one Deployment: it is ready with as many replicas as `ready` says, and pods go as the test says. */
function cluster(replicas: number | null) {
  const world = {
    replicas,
    ready: replicas ?? 0,
    pods: replicas ?? 0,
    scaled: [] as number[],
    version: 1,
    touched: 0,
    watched: [] as object[],
  }
  const kubernetes = {
    get: async () =>
      world.replicas === null
        ? null
        : {
            metadata: { name: 'app', namespace: 'infisical', generation: 1, resourceVersion: String(world.version) },
            spec: {
              replicas: world.replicas,
              selector: { matchLabels: { app: 'app' } },
              template: { spec: { containers: [] } },
            },
            status: {
              observedGeneration: 1,
              replicas: world.ready,
              readyReplicas: world.ready,
              updatedReplicas: world.ready,
            },
          },
    async *watchAll(_: unknown, selected: object) {
      yield world.watched.push(selected)
    },
    list: async () => Array.from({ length: world.pods }, (_, n) => ({ metadata: { name: `app-${n}` } })),
    patch: async (
      _: unknown,
      { spec }: { spec?: { replicas: number } },
      options: { resourceVersion?: string; subresource?: string },
    ) => {
      if (spec === undefined) world.touched += 1
      else {
        expect(options.subresource).toBe('scale')
        if (options.resourceVersion !== String(world.version))
          throw siteError('kubernetes-conflict', 'the object has been modified', { retry: 'conflict' })
        world.replicas = spec.replicas
        world.scaled.push(spec.replicas)
      }
      world.version += 1
    },
  } as unknown as KubernetesClient
  return { world, kubernetes }
}
const chart = (replicas: string) =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: app }\nspec: { ${replicas} }\n`
function runOf(
  step: DriverStep,
  kubernetes: KubernetesClient,
  intent: Intent['mode'] = 'switchover',
  rendered: string | null = null,
) {
  const warnings: string[] = []
  const context = {
    stack: toyStack,
    signal: new AbortController().signal,
    log: { warning: (line: string) => warnings.push(line) },
    kubernetes: () => kubernetes,
    kubeconfig: () => '',
    run: async () =>
      rendered === null ? { code: 1, stdout: '', stderr: 'no such host' } : { code: 0, stdout: rendered, stderr: '' },
  } as unknown as FlatContext
  const run = {
    step: asPlanned(component, step),
    component,
    context,
    signal: context.signal,
    intent: { mode: intent, from: A, to: B },
  }
  return { run: run as unknown as FlatRun<HelmReleaseSpec>, warnings }
}

describe('a stopped application', () => {
  test('is watched by its pods: its workload does not change when the last one goes', async () => {
    const { world, kubernetes } = cluster(2)
    const { run } = runOf(stopStep(component, A, { phase: 'FENCE', before: 2 }), kubernetes)
    for await (const _ of stop.changes?.(run) ?? []);
    expect(world.watched).toEqual([{ namespace: component.spec.namespace, labelSelector: 'app=app' }])
  })

  test('is stopped once no pod is left, however small the number that it was scaled to', async () => {
    const { world, kubernetes } = cluster(2)
    const { run } = runOf(stopStep(component, A, { phase: 'FENCE', before: 2 }), kubernetes)
    await applyAsSeen(stop, run)
    expect(await stop.done(run)).toEqual({ is: 'pending', waitingFor: '2 pods of app to end' })
    world.pods = 0
    expect(await stop.done(run)).toMatchObject({ is: 'done', proof: { replicas: 0, pods: 0 } })
  })

  const ended = { name: 'app', state: { terminated: { exitCode: 143 } } }
  test.each([
    ['that runs', { phase: 'Running', containerStatuses: [{ name: 'app', state: { running: {} } }] }, 'pending'],
    ['whose containers end one by one', { phase: 'Running', containerStatuses: [ended] }, 'pending'],
    ['that no node has taken yet', { phase: 'Pending' }, 'pending'],
    ['whose node is silent', { phase: 'Unknown', containerStatuses: [ended] }, 'pending'],
    [
      'that is called failed while a container is said to run',
      { phase: 'Failed', containerStatuses: [{ state: { running: {} } }] },
      'pending',
    ],
    ['that was evicted and stays in sight', { phase: 'Failed', reason: 'Evicted' }, 'done'],
    ['whose last container has ended', { phase: 'Failed', containerStatuses: [ended] }, 'done'],
    [
      'that ended well',
      { phase: 'Succeeded', containerStatuses: [{ name: 'app', state: { terminated: { exitCode: 0 } } }] },
      'done',
    ],
  ])('waits for a pod that may still run, and for no other: one %s', async (_, status, is) => {
    const { kubernetes } = cluster(0)
    const withPod = {
      ...kubernetes,
      list: async () => [{ metadata: { name: 'app-0' }, status }],
    } as unknown as KubernetesClient
    expect(await stop.done(runOf(stopStep(component, A, { phase: 'DRAIN', before: 1 }), withPod).run)).toMatchObject({
      is,
    })
  })

  test.each([3, 1, 0])(
    'that is taken back has the %d replicas that it had, and is taken back once they are ready',
    async (before) => {
      const { world, kubernetes } = cluster(before)
      const { run } = runOf(stopStep(component, A, { phase: 'DRAIN', before }), kubernetes)
      await applyAsSeen(stop, run)
      world.ready = 0
      await undoAsSeen(stop, run)
      expect(world.replicas).toBe(before)
      if (before > 0)
        expect(await stop.undone?.(run)).toMatchObject({ is: 'pending', waitingFor: `app: 0 of ${before} ready` })
      world.ready = before
      expect(await stop.undone?.(run)).toMatchObject({ is: 'done', proof: { replicas: before } })
    },
  )

  test('of a half lost site is taken back without waiting for pods that were not ready before either', async () => {
    const { world, kubernetes } = cluster(0)
    const { run } = runOf(stopStep(component, A, { phase: 'FENCE', before: 2 }), kubernetes, 'failover')
    expect(await stop.undone?.(run)).toMatchObject({ is: 'pending' })
    await undoAsSeen(stop, run)
    world.ready = 0
    expect(await stop.undone?.(run)).toEqual({ is: 'done', proof: { replicas: 2 } })
  })

  test('is not touched by a process that saw it before it was taken over, neither to stop it nor to start it again', async () => {
    const { world, kubernetes } = cluster(2)
    const { run } = runOf(stopStep(component, A, { phase: 'DRAIN', before: 2 }), kubernetes)
    const seen = await stop.done(run)
    if (seen.is !== 'pending' || seen.due === undefined) throw new Error('nothing is due')
    expect(seen.due).toEqual({ resourceVersion: '1' })
    await stop.invalidate?.(run)
    expect(world.touched).toBe(1)
    await expect(stop.apply?.({ ...run, precondition: seen.due })).rejects.toMatchObject({
      code: 'kubernetes-conflict',
    })
    await expect(stop.undo?.({ ...run, precondition: seen.due })).rejects.toMatchObject({ code: 'kubernetes-conflict' })
    expect(world.scaled).toEqual([])
  })

  test('that never was is stopped, and there is nothing to take back', async () => {
    const { world, kubernetes } = cluster(null)
    const { run } = runOf(stopStep(component, A, { phase: 'FENCE', before: null }), kubernetes, 'failover')
    await applyAsSeen(stop, run)
    expect(await stop.done(run)).toMatchObject({ is: 'done' })
    await undoAsSeen(stop, run)
    expect(await stop.undone?.(run)).toMatchObject({ is: 'done' })
    expect(world.scaled).toEqual([])
  })
})

describe('an application whose former size is unknown', () => {
  const step = startStep(component, { mode: 'failover', from: A, to: B }, null)

  test('starts with as many replicas as its active values say', async () => {
    const { world, kubernetes } = cluster(0)
    const { run } = runOf(step, kubernetes, 'failover', chart('replicas: 4'))
    expect(await start.done(run)).toMatchObject({ is: 'pending', waitingFor: 'app to be scaled up' })
    await applyAsSeen(start, run)
    expect(world.scaled).toEqual([4])
    world.ready = 4
    expect(await start.done(run)).toMatchObject({ is: 'done', proof: { replicas: 4 } })
  })

  test('starts with one, and says so, where its chart was lost as well', async () => {
    const { world, kubernetes } = cluster(0)
    const { run, warnings } = runOf(step, kubernetes, 'failover')
    await applyAsSeen(start, run)
    expect(world.scaled).toEqual([1])
    expect(warnings).toEqual([expect.stringContaining('one replica, because its chart cannot be rendered')])
  })
})

test('a stop never proves that no pod is left by a selector that it cannot ask for', async () => {
  const { kubernetes } = cluster(0)
  const selecting = (selector: object) =>
    ({
      ...kubernetes,
      get: async () => ({
        metadata: { name: 'app', namespace: 'infisical' },
        spec: { replicas: 0, selector },
        status: { replicas: 1 },
      }),
      list: async (_kind: unknown, { labelSelector }: { labelSelector: string }) =>
        labelSelector === 'app in (app)' ? [{ metadata: { name: 'app-0' } }] : [],
    }) as unknown as KubernetesClient
  const done = (selector: object) =>
    stop.done(runOf(stopStep(component, A, { phase: 'DRAIN', before: 1 }), selecting(selector)).run)
  expect(await done({})).toMatchObject({ is: 'unknown', why: expect.stringContaining('the selector of app') })
  expect(await done({ matchExpressions: [{ key: 'app', operator: 'In', values: ['app'] }] })).toMatchObject({
    is: 'pending',
    waitingFor: '1 pod of app to end',
  })
})

describe('a size that another controller keeps', () => {
  const fought = (kubernetes: KubernetesClient, manager = 'argocd-controller'): KubernetesClient =>
    ({
      ...kubernetes,
      async get(...args: Parameters<KubernetesClient['get']>) {
        const found = await kubernetes.get(...args)
        const wrote = { manager, time: '2026-11-29T12:00:00Z', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }
        return found === null ? null : { ...found, metadata: { ...found.metadata, managedFields: [wrote] } }
      },
    }) as KubernetesClient

  test('takes a switchover back at once: users are shut out', async () => {
    const { world, kubernetes } = cluster(2)
    const { run } = runOf(stopStep(component, A, { phase: 'DRAIN', before: 2 }), fought(kubernetes))
    await applyAsSeen(stop, run)
    world.replicas = 2
    expect(await stop.done({ ...run, applied: true })).toMatchObject({
      is: 'failed',
      code: 'reverted-by-others',
      why: expect.stringContaining('argocd-controller has changed spec.replicas'),
    })
  })

  test('is set anew after the point of no return, and where a site is shut', async () => {
    const { world, kubernetes } = cluster(0)
    const starting = runOf(startStep(component, { mode: 'switchover', from: A, to: B }, 2), fought(kubernetes)).run
    expect(await start.done({ ...starting, applied: true })).toMatchObject({
      is: 'pending',
      revertedBy: 'argocd-controller',
    })
    world.replicas = 2
    const stopping = runOf(stopStep(component, A, { phase: 'FENCE', before: 2 }), fought(kubernetes), 'failover').run
    expect(await stop.done({ ...stopping, applied: true })).toMatchObject({
      is: 'pending',
      revertedBy: 'argocd-controller',
    })
  })

  test('is the right one, where an autoscaler has said it of a workload that was started', async () => {
    const { world, kubernetes } = cluster(0)
    const { run } = runOf(
      startStep(component, { mode: 'switchover', from: A, to: B }, 2),
      fought(kubernetes, 'kube-controller-manager'),
    )
    await applyAsSeen(start, run)
    world.replicas = 5
    expect(await start.done({ ...run, applied: true })).toEqual({ is: 'pending', waitingFor: 'app: 0 of 5 ready' })
    world.ready = 5
    expect(await start.done({ ...run, applied: true })).toMatchObject({ is: 'done', proof: { replicas: 5 } })
    world.replicas = 0
    expect(await start.done({ ...run, applied: true })).toMatchObject({
      is: 'pending',
      revertedBy: 'kube-controller-manager',
    })
  })

  test('is not fought over on the way back, whatever it is: users are served by it', async () => {
    const { kubernetes } = cluster(3)
    const { run } = runOf(stopStep(component, A, { phase: 'DRAIN', before: 2 }), fought(kubernetes))
    expect(await stop.undone?.(run)).toMatchObject({ is: 'done', proof: { replicas: 3 } })
  })
})

describe('pods that crashed while their database was away', () => {
  const crashing = {
    containerStatuses: [{ name: 'app', restartCount: 5, state: { waiting: { reason: 'CrashLoopBackOff' } } }],
  }
  function crashed(createdAt: string) {
    const { world, kubernetes } = cluster(2)
    world.ready = 0
    const removed: string[] = []
    const pod = { metadata: { name: 'app-0', uid: 'uid-0', creationTimestamp: createdAt }, status: crashing }
    const withPods = {
      ...kubernetes,
      list: async () => (removed.length === 0 ? [pod] : []),
      remove: async (_: unknown, options: { uid?: string }) => removed.push(options.uid ?? '') > 0,
    } as unknown as KubernetesClient
    const { run } = runOf(stopStep(component, A, { phase: 'DRAIN', before: 2 }), withPods)
    return { removed, run: { ...run, begunAt: '2026-11-29T12:00:00Z' } }
  }

  test('make way for new ones, which are ready in seconds', async () => {
    const { removed, run } = crashed('2026-11-29T11:59:00Z')
    expect(await undoAsSeen(stop, run)).toMatchObject({ is: 'pending', due: { due: 'crashed' } })
    expect(removed).toEqual(['uid-0'])
    expect(await stop.undone?.(run)).toMatchObject({ is: 'pending', waitingFor: 'app: 0 of 2 ready' })
  })

  test('are judged when they crash from now on', async () => {
    const { removed, run } = crashed('2026-11-29T12:00:01Z')
    await undoAsSeen(stop, run)
    expect(removed).toEqual([])
  })
})
