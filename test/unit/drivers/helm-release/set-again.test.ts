import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { Role } from '../../../../src/driver/deployment.ts'
import { reconcileStep } from '../../../../src/drivers/helm-release/reconcile.ts'
import type { HelmReleaseSpec } from '../../../../src/drivers/helm-release/spec.ts'
import { asPlanned, behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { helmRelease } from '../../../support/flat/drivers.ts'
import { theApplication } from '../../../support/helm-application.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const reconcile = behaviourOf(helmRelease, 'reconcile')

const A = 'dc-a' as SiteName
const component = theApplication()
const chart = (replicas: number | null): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: app }\nspec: { ${replicas === null ? '' : `replicas: ${replicas}`} }\n`

/** A site with a role whose values have a number of replicas, and whose workload was scaled to another one. */
function site(role: Role, of: { readonly values: number | null; readonly now: number; readonly by: string | null }) {
  const world = { replicas: of.now, scaled: [] as number[], through: [] as (string | undefined)[] }
  const managedFields =
    of.by === null
      ? []
      : [{ manager: of.by, time: '2026-11-29T12:00:04Z', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }]
  const kubernetes = {
    get: async () => ({
      metadata: { name: 'app', namespace: 'infisical', generation: 1, resourceVersion: '7', managedFields },
      spec: { replicas: world.replicas, selector: { matchLabels: { app: 'app' } } },
      status: { observedGeneration: 1, replicas: world.replicas, readyReplicas: 0, updatedReplicas: world.replicas },
    }),
    list: async () => [],
    async patch(_: unknown, { spec }: { spec: { replicas: number } }, options: { subresource?: string }) {
      expect(options).toMatchObject({ resourceVersion: '7' })
      world.replicas = spec.replicas
      world.scaled.push(spec.replicas)
      world.through.push(options.subresource)
    },
  } as unknown as KubernetesClient
  const warnings: string[] = []
  const helm = ([command]: readonly string[]): string => {
    if (command === 'list') return JSON.stringify([{ status: 'deployed', revision: '4', chart: 'app-1.0.0' }])
    return command === 'version' ? 'v3.19.0' : chart(of.values)
  }
  const signal = new AbortController().signal
  const context = {
    stack: toyStack,
    signal,
    log: { warning: (line: string) => warnings.push(line) },
    kubernetes: () => kubernetes,
    kubeconfig: async () => '',
    run: async (_: string, args: readonly string[]) => ({ code: 0, stdout: helm(args), stderr: '' }),
  } as unknown as FlatContext
  const run = {
    step: asPlanned(component, reconcileStep(component, A, role)),
    component,
    context,
    signal,
  } as unknown as FlatRun<HelmReleaseSpec>
  return { world, warnings, run, send: () => reconcile.nudge?.send(run) }
}

describe('reconciling a passive site whose application runs, set by no other controller,', () => {
  test.each([
    ['that say no number of replicas', null, 2],
    ['that ask for the replicas that run', 1, 1],
    ['that say 0', 0, 2],
  ])('is not done with values of its role %s, until it is scaled to 0, and stays done', async (_, values, now) => {
    const { world, run } = site('passive', { values, now, by: null })
    expect(await reconcile.done(run)).toMatchObject({ is: 'pending' })
    await reconcile.apply?.(run)
    expect(world.scaled).toEqual([0])
    expect(await reconcile.done(run)).toMatchObject({ is: 'done', proof: { role: 'passive', replicas: 0 } })
  })

  test('leaves the active site of the same values as it is', async () => {
    const { world, run } = site('active', { values: null, now: 2, by: null })
    await reconcile.apply?.(run)
    expect(world.scaled).toEqual([])
  })
})

describe('past the point of no return, where another controller scales the application', () => {
  test('of the new site to nothing, it is started again, and who fights is named', async () => {
    const { world, warnings, send } = site('active', { values: 2, now: 0, by: 'argocd-controller' })
    await send()
    expect(world.scaled).toEqual([2])
    expect(warnings).toEqual([
      expect.stringMatching(
        /argocd-controller has scaled Deployment\/app on dc-a to 0; it is set to 2 again\. argocd app set/,
      ),
    ])
    await send()
    expect(world.scaled).toEqual([2])
    expect(world.through).toEqual(['scale'])
  })

  test('of the old site to something, it is stopped again, and its pods are not waited for', async () => {
    const { world, run, send } = site('passive', { values: 0, now: 1, by: 'argocd-controller' })
    expect(await reconcile.done(run)).toMatchObject({
      is: 'pending',
      waitingFor: expect.stringContaining('values of the passive role'),
    })
    await send()
    expect(world.scaled).toEqual([0])
    expect(world.through).toEqual(['scale'])
    expect(await reconcile.done(run)).toMatchObject({ is: 'done' })
  })

  test.each([
    ['to another number that serves', 'active' as const, { values: 2, now: 5, by: 'argocd-controller' }],
    ['by no other controller: a guard has stopped it', 'active' as const, { values: 2, now: 0, by: null }],
  ])('%s, that stays', async (_, role, of) => {
    const { world, send } = site(role, of)
    await send()
    expect(world.scaled).toEqual([])
  })
})
