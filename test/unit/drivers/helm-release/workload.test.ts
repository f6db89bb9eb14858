import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import { othersOf } from '../../../../src/drivers/helm-release/others.ts'
import type { Application } from '../../../../src/drivers/helm-release/spec.ts'
import { fatalReason, selectorText } from '../../../../src/drivers/helm-release/workload.ts'

const signal = new AbortController().signal
const kubernetes = { logs: async () => 'Booting\nkey does not decrypt\n' } as unknown as KubernetesClient
const pod = (status: object): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'app-1', namespace: 'x' },
  status,
})
const waiting = (reason: string, restartCount = 0, message?: string) => ({
  containerStatuses: [
    { name: 'app', restartCount, state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } },
  ],
})

describe('a pod that cannot come up is reported early, with its true reason', () => {
  test.each(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'CreateContainerConfigError'])(
    '%s',
    async (reason) => {
      expect(await fatalReason(kubernetes, pod(waiting(reason, 0, 'secret "keys" not found')), signal)).toBe(
        `app: ${reason} secret "keys" not found`,
      )
    },
  )

  test('a second crash, with its last words', async () => {
    expect(await fatalReason(kubernetes, pod(waiting('CrashLoopBackOff', 1)), signal)).toBe(
      'app crashes: Booting | key does not decrypt',
    )
  })

  test('no node that takes it', async () => {
    const conditions = [
      { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes: Insufficient cpu' },
    ]
    expect(await fatalReason(kubernetes, pod({ conditions }), signal)).toContain('Insufficient cpu')
  })

  test.each(['secret', 'configmap'])(
    'a %s that the cache of the kubelet has not brought yet comes by itself',
    async (what) => {
      const late = waiting(
        'CreateContainerConfigError',
        0,
        `failed to sync ${what} cache: timed out waiting for the condition`,
      )
      expect(await fatalReason(kubernetes, pod(late), signal)).toBeNull()
    },
  )

  test.each([['ContainerCreating'], ['PodInitializing']])('%s is not a failure', async (reason) => {
    expect(await fatalReason(kubernetes, pod(waiting(reason)), signal)).toBeNull()
  })
})

describe('the pods of a workload', () => {
  test('are asked for by labels and by expressions', () => {
    const matchExpressions = [
      { key: 'tier', operator: 'In', values: ['api', 'web'] },
      { key: 'old', operator: 'NotIn', values: ['yes'] },
      { key: 'app', operator: 'Exists' },
      { key: 'canary', operator: 'DoesNotExist' },
    ]
    expect(selectorText({ matchLabels: { a: 'b' }, matchExpressions })).toBe(
      'a=b,tier in (api,web),old notin (yes),app,!canary',
    )
  })
  test('are not known to be none when the selector says nothing, or something new', () => {
    expect(selectorText({})).toBeNull()
    expect(selectorText({ matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'Matches' }] })).toBeNull()
  })
})

describe('what else a release runs', () => {
  const spec = { namespace: 'x', release: 'shop', workload: { kind: 'Deployment', name: 'app', container: 'app' } }
  const application = { name: 'application', driver: 'helm-release', needs: [], spec } as unknown as Application
  const of = (name: string, release: string, more: object = {}) => ({
    metadata: { name, annotations: { 'meta.helm.sh/release-name': release } },
    spec: more,
  })
  const installed: Record<string, object[]> = {
    deployments: [
      of('app', 'shop'),
      of('worker', 'shop', { replicas: 2 }),
      of('asleep', 'shop', { replicas: 0 }),
      of('other', 'blog'),
    ],
    statefulsets: [],
    cronjobs: [of('mails', 'shop'), of('off', 'shop', { suspend: true })],
  }
  test('is named, but for what sleeps and what is another release', async () => {
    const list = async ({ plural }: { plural: string }) => installed[plural] ?? []
    expect(await othersOf({ list } as unknown as KubernetesClient, application, signal)).toEqual([
      'Deployment/worker',
      'CronJob/mails',
    ])
  })
  test('is nothing to an identity that may not list', async () => {
    const list = () => Promise.reject(new Error('forbidden'))
    expect(await othersOf({ list } as unknown as KubernetesClient, application, signal)).toEqual([])
  })
})
