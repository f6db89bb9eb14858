import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import { fatalReason } from '../../../../src/drivers/helm-release/workload.ts'

const signal = new AbortController().signal
const kubernetes = { logs: async () => 'Booting\nkey does not decrypt\n' } as unknown as KubernetesClient
const pod = (status: object): KubernetesObject => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'app-1', namespace: 'x' }, status })
const waiting = (reason: string, restartCount = 0, message?: string) => ({
  containerStatuses: [{ name: 'app', restartCount, state: { waiting: { reason, ...(message === undefined ? {} : { message }) } } }],
})

describe('a pod that can not come up is told early, with its true reason', () => {
  test.each(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'CreateContainerConfigError'])('%s', async (reason) => {
    expect(await fatalReason(kubernetes, pod(waiting(reason, 0, 'secret "keys" not found')), signal)).toBe(
      `app: ${reason} secret "keys" not found`,
    )
  })

  test('a second crash, with its last words', async () => {
    expect(await fatalReason(kubernetes, pod(waiting('CrashLoopBackOff', 1)), signal)).toBe('app crashes: Booting | key does not decrypt')
  })

  test('no node that takes it', async () => {
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes: Insufficient cpu' }]
    expect(await fatalReason(kubernetes, pod({ conditions }), signal)).toContain('Insufficient cpu')
  })

  test.each([['ContainerCreating'], ['PodInitializing']])('%s is not a failure', async (reason) => {
    expect(await fatalReason(kubernetes, pod(waiting(reason)), signal)).toBeNull()
  })
})
