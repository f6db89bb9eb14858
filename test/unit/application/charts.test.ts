import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { binary } from '../../support/binaries.ts'
import { needs } from '../../support/needs.ts'

needs('helm')

const run = promisify(execFile)
const repository = resolve(import.meta.dirname, '../../..')
let helm: string

beforeAll(async () => {
  helm = await binary('helm')
})

const charts = [
  { chart: 'infisical-standalone', version: '1.7.5', key: 'infisical', secret: 'infisical-secrets' },
  { chart: 'hanzo-kms-standalone', version: '1.7.3', key: 'kms', secret: 'kms-secrets' },
] as const
/** What every stack of ours says, since all of it comes from elsewhere. */
const unbundled = ['postgresql.enabled=false', 'redis.enabled=false', 'ingress.enabled=false']

interface Rendered {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: Readonly<Record<string, unknown>>
}

async function render(
  chart: string,
  release: string,
  sets: readonly string[],
  files: readonly string[] = [],
): Promise<Rendered[]> {
  const args = [...files.flatMap((file) => ['-f', file]), ...sets.flatMap((set) => ['--set', set])]
  const { stdout } = await run(helm, ['template', release, join(repository, 'lab/charts', chart), ...args])
  return parseAllDocuments(stdout).map((document) => document.toJS() as Rendered)
}
const only = (objects: readonly Rendered[], kind: string): Rendered => {
  const found = objects.filter((object) => object.kind === kind)
  expect(found).toHaveLength(1)
  return found[0] as Rendered
}

describe.each(charts)('the chart $chart', ({ chart, version, key, secret }) => {
  test('has the version of the published one and passes helm lint', async () => {
    const { stdout } = await run(helm, ['show', 'chart', join(repository, 'lab/charts', chart)])
    expect(stdout).toContain(`version: ${version}`)
    await run(helm, [
      'lint',
      '--strict',
      join(repository, 'lab/charts', chart),
      ...unbundled.flatMap((set) => ['--set', set]),
    ])
  })

  test('names its objects as the published one, so that a stack file serves both', async () => {
    const objects = await render(chart, 'app', unbundled)
    expect(objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`).toSorted()).toEqual([
      `Deployment/app-${chart}-${key}`,
      `Service/app-${chart}-${key}`,
    ])
    expect(only(await render(chart, chart, unbundled), 'Service').metadata.name).toBe(`${chart}-${key}`)
  })

  test('takes the whole Secret as environment, probes as upstream, and runs without privileges', async () => {
    const deployment = only(await render(chart, 'app', unbundled), 'Deployment')
    expect(deployment.spec).toMatchObject({
      replicas: 2,
      template: {
        metadata: { annotations: { updatedAt: expect.any(String) } },
        spec: {
          containers: [
            {
              envFrom: [{ secretRef: { name: secret } }],
              readinessProbe: {
                httpGet: { path: '/api/status', port: 8080 },
                initialDelaySeconds: 10,
                periodSeconds: 5,
              },
              securityContext: { runAsNonRoot: true, allowPrivilegeEscalation: false },
            },
          ],
        },
      },
    })
  })

  test('follows the values that drivers set: replicas, image, run modes, node port, a probe without delay', async () => {
    const objects = await render(chart, 'app', [
      ...unbundled,
      `${key}.replicaCount=0`,
      `${key}.image.repository=docker.io/lab/x`,
      `${key}.image.tag=v1`,
      `${key}.extraEnv[0].name=INFISICAL_RUN_MODES`,
      `${key}.extraEnv[0].value=api`,
      `${key}.service.type=NodePort`,
      `${key}.service.nodePort=30080`,
      `${key}.readinessProbe.initialDelaySeconds=0`,
    ])
    expect(only(objects, 'Deployment').spec).toMatchObject({
      replicas: 0,
      template: {
        spec: {
          containers: [
            {
              image: 'docker.io/lab/x:v1',
              env: [{ name: 'INFISICAL_RUN_MODES', value: 'api' }],
              readinessProbe: { initialDelaySeconds: 0 },
            },
          ],
        },
      },
    })
    expect(only(objects, 'Service').spec).toMatchObject({
      type: 'NodePort',
      ports: [{ nodePort: 30080, targetPort: 8080 }],
    })
  })

  test('takes the connection string from a Secret of the database', async () => {
    const where = 'postgresql.useExistingPostgresSecret'
    const sets = [
      `${where}.enabled=true`,
      `${where}.existingConnectionStringSecret.name=pg-app`,
      `${where}.existingConnectionStringSecret.key=uri`,
    ]
    expect(only(await render(chart, 'app', [...unbundled, ...sets]), 'Deployment').spec).toMatchObject({
      template: {
        spec: {
          containers: [
            { env: [{ name: 'DB_CONNECTION_URI', valueFrom: { secretKeyRef: { name: 'pg-app', key: 'uri' } } }] },
          ],
        },
      },
    })
  })

  test.each([
    ['postgresql.enabled=true', 'bundles no PostgreSQL'],
    ['redis.enabled=true', 'bundles no Redis'],
    ['ingress.enabled=true', 'bundles no ingress controller'],
    [`${key}.autoBootstrap.enabled=true`, 'second instance'],
  ])('refuses %s, which the published chart would install beside the stack', async (set, reason) => {
    await expect(render(chart, 'app', [...unbundled, set])).rejects.toThrow(reason)
  })

  test('an ingress of the cluster routes to the service', async () => {
    const ingress = only(
      await render(chart, 'app', [
        'postgresql.enabled=false',
        'redis.enabled=false',
        'ingress.nginx.enabled=false',
        'ingress.hostName=kms.test',
      ]),
      'Ingress',
    )
    expect(ingress.spec).toMatchObject({
      ingressClassName: 'nginx',
      rules: [
        {
          host: 'kms.test',
          http: { paths: [{ backend: { service: { name: `app-${chart}-${key}`, port: { number: 8080 } } } }] },
        },
      ],
    })
  })
})

test('the values of the published Infisical stack render, on the active site and on the passive one', async () => {
  const values = join(repository, 'stacks/infisical-kubernetes/values')
  const active = await render('infisical-standalone', 'infisical', [], [join(values, 'application.yaml')])
  expect(only(active, 'Deployment').metadata.name).toBe('infisical-infisical-standalone-infisical')
  const files = [join(values, 'application.yaml'), join(values, 'application-passive.yaml')]
  expect(only(await render('infisical-standalone', 'infisical', [], files), 'Deployment').spec).toMatchObject({
    replicas: 0,
  })
})
