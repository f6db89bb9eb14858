import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../src/clients/kubernetes-client.ts'
import { siteError } from '../../../src/errors/standby-error.ts'
import { refusedPods } from '../../../src/platform/kubernetes/refused-pods.ts'

const signal = AbortSignal.timeout(10_000)
const workload = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'redis', namespace: 'n', uid: 'u' } }
const event = (reason: string, from: number, to: number, uid = 'u') => ({
  reason,
  message: `${reason}: violates PodSecurity "restricted:latest"`,
  involvedObject: { uid },
  firstTimestamp: new Date(from * 1_000).toISOString(),
  lastTimestamp: new Date(to * 1_000).toISOString(),
})
const asked = (events: readonly object[] | Error, object: KubernetesObject = workload) => {
  const list = async () => {
    if (events instanceof Error) throw events
    return events
  }
  return refusedPods({ list } as unknown as KubernetesClient, object, signal)
}

describe('a refusal of pods', () => {
  test('is reported with the reason of the API server, as passing at first and as lasting after a while', async () => {
    expect(await asked([event('FailedCreate', 100, 105)])).toEqual({
      why: expect.stringContaining('PodSecurity'),
      lasts: false,
    })
    expect(await asked([event('FailedCreate', 100, 130)])).toMatchObject({ lasts: true })
  })

  test('lasts as well where each try has an event of its own, as those of a Job have', async () => {
    expect(await asked([event('FailedCreate', 100, 100), event('FailedCreate', 110, 110)])).toMatchObject({
      lasts: false,
    })
    expect(
      await asked([event('FailedCreate', 100, 100), event('FailedCreate', 110, 110), event('FailedCreate', 130, 130)]),
    ).toMatchObject({
      lasts: true,
    })
    expect(
      await asked([
        event('FailedCreate', 100, 100),
        event('SuccessfulCreate', 120, 120),
        event('FailedCreate', 130, 130),
      ]),
    ).toMatchObject({ lasts: false })
  })

  test('is over once one could be created, and is no word of another object of that name', async () => {
    expect(await asked([event('FailedCreate', 100, 130), event('SuccessfulCreate', 140, 140)])).toBeNull()
    expect(await asked([event('SuccessfulCreate', 90, 90), event('FailedCreate', 100, 130)])).toMatchObject({
      lasts: true,
    })
    expect(await asked([event('FailedCreate', 100, 130, 'another')])).toBeNull()
  })

  test('is read from a Deployment itself, where it says so', async () => {
    const condition = {
      type: 'ReplicaFailure',
      status: 'True',
      reason: 'FailedCreate',
      message: 'exceeded quota',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    }
    const deployment = { ...workload, kind: 'Deployment', status: { conditions: [condition] } }
    expect(await asked([], deployment)).toEqual({ why: 'exceeded quota', lasts: true })
  })

  test('is not guessed where the identity may not read events', async () => {
    expect(await asked(siteError('kubernetes-forbidden', 'no'))).toBeNull()
  })
})
