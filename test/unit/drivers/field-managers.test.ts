import { describe, expect, test } from '@jest/globals'
import type { KubernetesObject } from '../../../src/clients/kubernetes-client.ts'
import { OPERATOR } from '../../../src/drivers/cloudnative-pg/left-of-switch.ts'
import { controllersOf, lastWriterOf } from '../../../src/platform/kubernetes/field-managers.ts'

const DIRECTION = ['spec', 'replica', 'primary']
const wrote = (manager: string, time: string, fields: object = { 'f:spec': { 'f:replica': { 'f:primary': {} } } }) => ({
  manager,
  operation: 'Apply',
  time,
  fieldsType: 'FieldsV1',
  fieldsV1: fields,
})
const object = (managedFields: readonly object[], labels: object = {}, annotations: object = {}): KubernetesObject =>
  ({
    apiVersion: 'postgresql.cnpg.io/v1',
    kind: 'Cluster',
    metadata: { name: 'pg-dc-a', managedFields, labels, annotations },
  }) as unknown as KubernetesObject

test('who wrote a field last is its newest manager beside us', () => {
  const of = object([
    wrote('standby', '2026-11-29T12:00:05Z'),
    wrote('kubectl-edit', '2026-11-29T11:00:00Z'),
    wrote('argocd-controller', '2026-11-29T12:00:04Z'),
    wrote('manager', '2026-11-29T12:00:09Z', { 'f:status': {} }),
  ])
  expect(lastWriterOf(of, DIRECTION)).toBe('argocd-controller')
  expect(lastWriterOf(object([wrote('standby', '2026-11-29T12:00:05Z')]), DIRECTION)).toBe('another manager')
})

describe('a controller that keeps an object is named with the command that pauses it', () => {
  test.each([
    [
      'Argo CD by its label',
      object([], { 'argocd.argoproj.io/instance': 'shop' }),
      { who: 'Argo CD (application shop)', pause: 'argocd app set shop --sync-policy none', writes: false },
    ],
    [
      'Argo CD by its annotation, and the field',
      object(
        [wrote('argocd-controller', '')],
        {},
        { 'argocd.argoproj.io/tracking-id': 'shop:postgresql.cnpg.io/Cluster:shop/pg-dc-a' },
      ),
      { who: 'Argo CD (application shop)', pause: 'argocd app set shop --sync-policy none', writes: true },
    ],
    [
      'Flux by its labels',
      object([wrote('kustomize-controller', '')], {
        'kustomize.toolkit.fluxcd.io/name': 'apps',
        'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
      }),
      {
        who: 'Flux (kustomization apps)',
        pause: 'flux suspend kustomization apps --namespace flux-system',
        writes: true,
      },
    ],
    [
      'the helm-controller of Flux',
      object([wrote('helm-controller', '')], {
        'helm.toolkit.fluxcd.io/name': 'shop',
        'helm.toolkit.fluxcd.io/namespace': 'shop',
      }),
      { who: 'Flux (HelmRelease shop)', pause: 'flux suspend helmrelease shop --namespace shop', writes: true },
    ],
    [
      'KEDA',
      object([wrote('keda-operator', '')]),
      { who: 'KEDA', pause: 'kubectl annotate scaledobject <name> autoscaling.keda.sh/paused=true', writes: true },
    ],
    [
      'an unknown one',
      object([wrote('in-house-operator', '')]),
      { who: 'in-house-operator', pause: expect.any(String), writes: true },
    ],
  ])('%s', (_, found, controller) => {
    expect(controllersOf(found, DIRECTION, OPERATOR)).toEqual([controller])
  })

  test.each([
    ['ourselves', object([wrote('standby', '')])],
    ['its operator', object([wrote('manager', '')])],
    ['a person with kubectl', object([wrote('kubectl-client-side-apply', ''), wrote('kubectl-edit', '')])],
    ['helm, which writes when a person calls it', object([wrote('helm', '')])],
    ['an autoscaler, which leaves no replicas alone', object([wrote('kube-controller-manager', '')])],
    [
      'a manager that writes other fields',
      object([wrote('in-house-operator', '', { 'f:metadata': { 'f:labels': {} } })]),
    ],
    [
      'Flux that is configured to leave it alone',
      object(
        [],
        { 'kustomize.toolkit.fluxcd.io/name': 'apps' },
        { 'kustomize.toolkit.fluxcd.io/reconcile': 'disabled' },
      ),
    ],
  ])('no controller is named for %s', (_, found) => {
    expect(controllersOf(found, DIRECTION, OPERATOR)).toEqual([])
  })

  test('an operator that is at home in another kind of object is one, whatever its program is called', () => {
    expect(controllersOf(object([wrote('manager', '')]), DIRECTION)).toMatchObject([{ who: 'manager', writes: true }])
  })
})
