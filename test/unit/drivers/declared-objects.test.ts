import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import type { KubernetesClient } from '../../../src/clients/kubernetes-client.ts'
import { openKubernetes } from '../../../src/platform/kubernetes/client/open.ts'
import { type DeclaredObject, diffObject } from '../../../src/platform/kubernetes/declared-objects.ts'
import { type ApiServer, startApiServer } from '../../support/api-server.ts'

jest.setTimeout(120_000)

let server: ApiServer
let kubernetes: KubernetesClient
const { signal } = new AbortController()

beforeAll(async () => {
  server = await startApiServer()
  kubernetes = openKubernetes({ site: 'dc-a', kubeconfig: server.kubeconfig('admin'), signal })
})
afterAll(() => server?.stop())

const configMap = (name: string, data: Readonly<Record<string, string>>): DeclaredObject => ({
  plural: 'configmaps',
  object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data },
})

test('what a guard reports between the two looks of a dry run is no change that the deploy would make', async () => {
  const declared = configMap('guard', { settings: 'on' })
  await kubernetes.apply(declared.object, { force: true, signal })
  const reference = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    plural: 'configmaps',
    namespace: 'default',
    name: 'guard',
  } as const
  let reports = 0
  /** Between the read and the dry run another client writes; twice. */
  const busy: KubernetesClient = {
    ...kubernetes,
    apply: async (object, options) => {
      if (reports < 2) await kubernetes.patch(reference, { data: { report: String(++reports) } }, { signal })
      return kubernetes.apply(object, options)
    },
  }
  expect(await diffObject(busy, declared, signal)).toEqual([])
  expect(reports).toBe(2)
  // What it would change is reported anyway.
  reports = 0
  expect(await diffObject(busy, configMap('guard', { settings: 'off' }), signal)).toEqual([
    expect.objectContaining({ kind: 'update', path: 'data.settings', from: 'on', to: 'off' }),
  ])
})
