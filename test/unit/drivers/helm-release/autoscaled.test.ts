import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import type { DriverContext } from '../../../../src/driver/context.ts'
import type { Role } from '../../../../src/driver/deployment.ts'
import { comparison, upgrade } from '../../../../src/drivers/helm-release/deploy.ts'
import { theApplication } from '../../../support/helm-application.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const A = 'dc-a' as SiteName
const component = theApplication()
/** A chart whose active values leave the replicas to a HorizontalPodAutoscaler. */
const CHART = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: app }\nspec: {}\n'

function site(replicas: number, help = '') {
  const scaled: number[] = []
  const shown: string[][] = []
  const kubernetes = {
    get: async () => ({
      metadata: { name: 'app', resourceVersion: '7' },
      spec: { replicas: scaled.at(-1) ?? replicas },
    }),
    async patch(
      _: unknown,
      { spec }: { spec: { replicas: number } },
      { resourceVersion }: { resourceVersion: string },
    ) {
      expect(resourceVersion).toBe('7')
      scaled.push(spec.replicas)
    },
  } as unknown as KubernetesClient
  const answers: Readonly<Record<string, string>> = {
    list: JSON.stringify([{ status: 'deployed', revision: '4', chart: 'app-1.0.0' }]),
    version: 'v3.19.0',
  }
  const helm = async ([command = '', option]: readonly string[]): Promise<string> =>
    option === '--help' ? help : (answers[command] ?? CHART)
  const context = {
    stack: toyStack,
    signal: new AbortController().signal,
    platform: () => kubernetes,
    kubeconfig: async () => '',
    run: async (_: string, args: readonly string[], { live = false }: { live?: boolean }) => {
      if (live) shown.push([...args])
      return { code: 0, stdout: await helm(args), stderr: '' }
    },
  } as unknown as DriverContext
  const differences = async (role: Role): Promise<unknown> =>
    (await comparison(helm, component, role, A, context)).changes
  return { scaled, shown, context, differences }
}

describe('a deploy of an application whose size an autoscaler decides', () => {
  test('starts it where it has no replicas on the active site: an autoscaler leaves it alone then', async () => {
    const { differences, scaled, context } = site(0)
    expect(await differences('active')).toMatchObject([{ kind: 'update', path: 'spec.replicas', from: 0, to: 1 }])
    await upgrade(component, 'active', A, context)
    expect(scaled).toEqual([1])
    expect(await differences('active')).toEqual([])
  })

  test('stops it on a passive site where it runs, for the autoscaler does not', async () => {
    const { differences, scaled, context } = site(3)
    expect(await differences('passive')).toMatchObject([{ kind: 'update', path: 'spec.replicas', from: 3, to: 0 }])
    await upgrade(component, 'passive', A, context)
    expect(scaled).toEqual([0])
    expect(await differences('passive')).toEqual([])
  })

  test.each([
    ['leaves any other number on the active site to it', 'active' as const, 7],
    ['starts nothing on a passive site', 'passive' as const, 0],
  ])('%s', async (_, role, replicas) => {
    const { differences, scaled, context } = site(replicas)
    expect(await differences(role)).toEqual([])
    await upgrade(component, role, A, context)
    expect(scaled).toEqual([])
  })
})

describe('the output of helm', () => {
  test('is shown for an upgrade alone, without the notes of the chart: they may name a password', async () => {
    const { context, differences, shown } = site(2, '      --hide-notes   if set, do not show notes')
    await differences('active')
    await upgrade(component, 'active', A, context)
    expect(shown).toEqual([expect.arrayContaining(['upgrade', '--install', '--hide-notes'])])
  })

  test('is not shown where this helm cannot leave the notes out', async () => {
    const { context, shown } = site(2)
    await upgrade(component, 'active', A, context)
    expect(shown).toEqual([])
  })
})
