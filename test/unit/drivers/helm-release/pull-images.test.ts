import { describe, expect, test } from '@jest/globals'
import type { KubernetesClient, KubernetesObject } from '../../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { pulled, pullImagesStep } from '../../../../src/drivers/helm-release/pull-images.ts'
import type { HelmReleaseSpec } from '../../../../src/drivers/helm-release/spec.ts'
import { siteError } from '../../../../src/errors/standby-error.ts'
import { asPlanned, behaviourOf } from '../../../support/behaviour-of.ts'
import type { FlatRun } from '../../../support/flat/behaviour.ts'
import type { FlatContext } from '../../../support/flat/context.ts'
import { helmRelease } from '../../../support/flat/drivers.ts'
import { theApplication } from '../../../support/helm-application.ts'

const pullImages = behaviourOf(helmRelease, 'pull-images')

const component = theApplication()
const template = {
  serviceAccountName: 'app',
  imagePullSecrets: [{ name: 'registry' }],
  tolerations: [{ key: 'site', operator: 'Exists' }],
  volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
  initContainers: [{ name: 'migrate', image: 'app:2', command: ['migrate'], env: [{ name: 'PASSWORD', value: 'x' }] }],
  containers: [
    {
      name: 'app',
      image: 'app:2',
      imagePullPolicy: 'IfNotPresent',
      securityContext: { allowPrivilegeEscalation: false },
      envFrom: [{ secretRef: { name: 'app' } }],
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
      ports: [{ containerPort: 8080 }],
    },
    { name: 'proxy', image: 'proxy:1' },
  ],
}

/** A passive site: a Deployment without pods, and what becomes of the job. */
function site(more: { pods?: KubernetesObject[]; refuses?: boolean; seconds?: number } = {}) {
  const made: KubernetesObject[] = []
  const warnings: string[] = []
  const kubernetes = {
    get: async ({ kind }: { kind: string }) =>
      kind === 'Job' ? (made[0] ?? null) : { metadata: { name: 'app' }, spec: { template: { spec: template } } },
    list: async () => more.pods ?? [],
    create: async (object: KubernetesObject) => {
      if (more.refuses === true) throw siteError('kubernetes-forbidden', 'jobs.batch is forbidden', { retry: 'never' })
      made.push(object)
    },
  } as unknown as KubernetesClient
  const begunAt = '2026-11-29T12:00:00.000Z'
  const context = {
    kubernetes: () => kubernetes,
    clock: { now: () => new Date(Date.parse(begunAt) + (more.seconds ?? 1) * 1_000) },
    log: { warning: (line: string) => warnings.push(line) },
  } as unknown as FlatContext
  const step = asPlanned(component, pullImagesStep(component, 'dc-b' as SiteName))
  const run = {
    step,
    component,
    context,
    signal: new AbortController().signal,
    begunAt,
  } as unknown as FlatRun<HelmReleaseSpec>
  return { run, made, warnings }
}

const pod = (statuses: object[], scheduled = 'True'): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'app-images-1' },
  spec: {
    containers: [
      { name: 'app', image: 'app:2' },
      { name: 'proxy', image: 'proxy:1' },
    ],
  },
  status: { conditions: [{ type: 'PodScheduled', status: scheduled }], containerStatuses: statuses },
})
const startError = { terminated: { exitCode: 128, reason: 'StartError' } }

describe('before users are shut out, the images of the new site', () => {
  test('are pulled by a job that is placed as the application is, and runs nothing of it', async () => {
    const { run, made } = site()
    expect(await pullImages.done(run)).toMatchObject({ is: 'pending' })
    await pullImages.apply?.(run)
    await pullImages.apply?.(run)
    expect(made).toHaveLength(1)
    const { spec } = made[0] as unknown as {
      spec: { ttlSecondsAfterFinished: number; backoffLimit: number; template: { spec: Record<string, unknown> } }
    }
    expect(spec).toMatchObject({ backoffLimit: 0, ttlSecondsAfterFinished: 60 })
    expect(spec.template.spec).toEqual({
      serviceAccountName: 'app',
      imagePullSecrets: [{ name: 'registry' }],
      tolerations: [{ key: 'site', operator: 'Exists' }],
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      containers: [
        { name: 'migrate', image: 'app:2', command: ['/standby-starts-nothing-here'] },
        {
          name: 'app',
          image: 'app:2',
          imagePullPolicy: 'IfNotPresent',
          securityContext: { allowPrivilegeEscalation: false },
          command: ['/standby-starts-nothing-here'],
        },
        { name: 'proxy', image: 'proxy:1', command: ['/standby-starts-nothing-here'] },
      ],
    })
  })
  test('are there, once their containers could not start', async () => {
    const { run } = site({
      pods: [
        pod([
          { name: 'app', imageID: 'sha256:1', state: startError },
          { name: 'proxy', state: startError },
        ]),
      ],
    })
    await pullImages.apply?.(run)
    expect(await pullImages.done(run)).toEqual({ is: 'done', proof: { images: ['app:2', 'proxy:1'] } })
  })
  test('are waited for while one of them is pulled', async () => {
    const { run } = site({
      seconds: 200,
      pods: [
        pod([
          { name: 'app', imageID: 'sha256:1', state: startError },
          { name: 'proxy', imageID: '', state: { waiting: { reason: 'ContainerCreating' } } },
        ]),
      ],
    })
    await pullImages.apply?.(run)
    expect(await pullImages.done(run)).toEqual({ is: 'pending', waitingFor: 'the kubelet to pull proxy:1' })
  })
  test('are missing where the kubelet gives up, and the move ends while users are served', () => {
    const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image "proxy:1"' }
    expect(pulled(pod([{ name: 'proxy', state: { waiting } }]), 'look')).toEqual({
      is: 'failed',
      code: 'image-missing',
      why: 'proxy:1: ImagePullBackOff Back-off pulling image "proxy:1"',
      next: 'look',
    })
  })
  test('are not given up by a first failed pull, which the kubelet tries again', () => {
    expect(pulled(pod([{ name: 'proxy', state: { waiting: { reason: 'ErrImagePull' } } }]), '')).toMatchObject({
      is: 'pending',
    })
  })

  test.each([
    ['that finds no pod', [] as KubernetesObject[]],
    ['whose pod finds no node', [pod([], 'False')]],
  ])('a job %s for half a minute holds no move up: a warning says that the result is unknown', async (_, pods) => {
    const early = site({ pods })
    await pullImages.apply?.(early.run)
    expect(await pullImages.done(early.run)).toMatchObject({ is: 'pending' })
    const late = site({ pods, seconds: 31 })
    await pullImages.apply?.(late.run)
    expect(await pullImages.done(late.run)).toEqual({ is: 'done', proof: { images: null } })
    expect(late.warnings).toHaveLength(1)
  })
  test('are unknown to an identity that may make no job: it is warned of, and the move goes on', async () => {
    const { run, warnings } = site({ refuses: true })
    await pullImages.apply?.(run)
    expect(await pullImages.done(run)).toEqual({ is: 'done', proof: { images: null } })
    expect(warnings).toEqual([expect.stringContaining('jobs.batch is forbidden')])
  })
})
