import { describe, expect, test } from '@jest/globals'
import type { ObjectStoreLocation } from '../../../../src/clients/object-store-client.ts'
import type { SiteName } from '../../../../src/domain/stack.ts'
import { backupManifest, serverManifests, storeSecretManifest } from '../../../../src/drivers/redis/manifests.ts'
import { DUMP, SERVE, UPLOAD } from '../../../../src/drivers/redis/scripts.ts'
import type { Cache } from '../../../../src/drivers/redis/spec.ts'
import { toyStack } from '../../../support/toy-stack.ts'

const cache: Cache = {
  name: 'cache',
  driver: 'redis',
  needs: ['archive'],
  spec: {
    namespace: 'infisical',
    name: 'redis',
    image: 'docker.io/library/redis:7.4.6',
    password: { secret: 'redis', key: 'password' },
    backup: {
      store: 'archive',
      prefix: 'redis',
      schedule: '0 * * * *',
      retention: '7d',
      images: { dump: 'docker.io/library/redis:7.4.6', upload: 'docker.io/curlimages/curl:8.16.0' },
    },
  },
}
const keys = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } }
const location: ObjectStoreLocation = {
  endpoint: 'https://s3.example.com',
  region: 'us-east-1',
  bucket: 'infisical-dc-a',
  prefix: '',
  credentials: keys,
  readCredentials: keys,
}

interface Container {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[]
  readonly volumeMounts: readonly { readonly name: string }[]
}
interface PodSpec {
  readonly containers: readonly Container[]
  readonly volumes: readonly object[]
}
interface CronJobSpec {
  readonly suspend: boolean
  readonly concurrencyPolicy: string
  readonly startingDeadlineSeconds: number
  readonly jobTemplate: {
    readonly spec: {
      readonly backoffLimit: number
      readonly activeDeadlineSeconds: number
      readonly template: {
        readonly spec: {
          readonly restartPolicy: string
          readonly initContainers: readonly Container[]
          readonly containers: readonly Container[]
          readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[]
        }
      }
    }
  }
}
const cronJob = (suspend = false): CronJobSpec =>
  backupManifest(cache, toyStack, 'dc-a' as SiteName, location, suspend).object.spec as CronJobSpec
const pod = cronJob().jobTemplate.spec.template.spec
const dump = pod.initContainers[0] as Container
const upload = pod.containers[0] as Container
const envOf = (container: Container, name: string) => container.env.find((one) => one.name === name)

describe("the defects of the guide's backup job are not in ours", () => {
  test('1: what a container reads and writes is mounted', () => {
    const declared = pod.volumes.map((volume) => volume.name)
    for (const container of [dump, upload]) {
      expect(container.volumeMounts.length).toBeGreaterThan(0)
      for (const mount of container.volumeMounts) expect(declared).toContain(mount.name)
    }
  })
  test('2: what stores the dump has a client, an endpoint and credentials', () => {
    expect(upload.image).toContain('curl')
    expect(envOf(upload, 'BUCKET_URL')?.value).toBe('https://s3.example.com/infisical-dc-a')
    expect(envOf(upload, 'SECRET_ACCESS_KEY')?.valueFrom).toEqual({
      secretKeyRef: { name: 'redis-backup-store', key: 'SECRET_ACCESS_KEY' },
    })
  })
  test('3: redis-cli talks to the Redis server, not to its own pod', () => {
    expect(envOf(dump, 'REDIS_HOST')?.value).toBe('redis')
    for (const line of DUMP.split('\n').filter((one) => /redis-cli (?!.*\$\{)/.test(one)))
      expect(line).toContain('-h "$REDIS_HOST"')
  })
  test('4: the password is set', () => {
    expect(envOf(dump, 'REDISCLI_AUTH')?.valueFrom).toEqual({ secretKeyRef: { name: 'redis', key: 'password' } })
  })
  test('5: the pod has a restart policy that a Job may have', () => expect(pod.restartPolicy).toBe('Never'))
  test('6: the manifest is an object that the API server takes', () => {
    const { object } = backupManifest(cache, toyStack, 'dc-a' as SiteName, location, false)
    expect(object).toMatchObject({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'redis-backup', namespace: 'infisical' },
    })
    expect(JSON.parse(JSON.stringify(object))).toEqual(object)
  })
  test("7: the volume of the running Redis is not needed: a volume that only one node may mount cannot be in the job's way", () => {
    expect(pod.volumes).toEqual([{ name: 'work', emptyDir: {} }])
  })
  test('8: each dump has a key of its own, is never overwritten, and goes after its retention', () => {
    expect(DUMP).toContain('date -u +%Y%m%dT%H%M%SZ')
    expect(UPLOAD).toContain('If-None-Match: *')
    expect(envOf(upload, 'RETENTION_SECONDS')?.value).toBe(String(7 * 86_400))
  })
  test('9: Redis goes on serving: no SAVE', () => {
    expect(`${DUMP}${UPLOAD}`).not.toMatch(/\bSAVE\b/i)
    expect(DUMP).toContain('--rdb')
  })
  test('10: images come from the stack file, and none from a registry that was closed', () => {
    expect(JSON.stringify(cronJob())).not.toContain('bitnami')
    expect([dump.image, upload.image]).toEqual([cache.spec.backup.images.dump, cache.spec.backup.images.upload])
  })
  test('11: no password and no key is an argument of a program', () => {
    for (const container of [dump, upload]) {
      expect(container.command.join(' ')).not.toMatch(/redis-cli[^\n]* -a\b|--pass\b|--user\b/)
      for (const one of container.env) if (/KEY|AUTH|PASSWORD/.test(one.name)) expect(one.value).toBeUndefined()
    }
    expect(SERVE).not.toContain('--requirepass')
  })
})

test('two jobs never run at once, and one that hangs or fails ends', () => {
  const { concurrencyPolicy, startingDeadlineSeconds, jobTemplate } = cronJob()
  expect({ concurrencyPolicy, startingDeadlineSeconds }).toEqual({
    concurrencyPolicy: 'Forbid',
    startingDeadlineSeconds: 600,
  })
  expect(jobTemplate.spec).toMatchObject({ backoffLimit: 2, activeDeadlineSeconds: 1800 })
})

test('a passive site takes no dumps, because its stale data would look newer than the backups of the active one', () => {
  expect(cronJob(true).suspend).toBe(true)
  expect(cronJob(false).suspend).toBe(false)
})

test('all containers that share the volume run as one user, whatever user their images would choose', () => {
  const set = serverManifests(cache, toyStack, 'dc-a' as SiteName, location).find(
    (one) => one.object.kind === 'StatefulSet',
  )
  expect(set?.object.spec).toMatchObject({
    template: { spec: { securityContext: { runAsUser: 999, runAsGroup: 999, fsGroup: 999, runAsNonRoot: true } } },
  })
})

test('the server has a sidecar that brings its dumps to the object store, with the settings of the scheduled job', () => {
  const set = serverManifests(cache, toyStack, 'dc-a' as SiteName, location).find(
    (one) => one.object.kind === 'StatefulSet',
  )
  const { template } = (set?.object.spec ?? {}) as {
    readonly template: { readonly spec: { readonly containers: readonly Container[] } }
  }
  const { containers } = template.spec
  expect(containers.map(({ name, image }) => [name, image])).toEqual([
    ['redis', cache.spec.image],
    ['transfer', cache.spec.backup.images.upload],
  ])
  expect(containers[1]?.env).toEqual(upload.env)
  expect(containers[0]?.env).not.toEqual(
    expect.arrayContaining([expect.objectContaining({ name: 'SECRET_ACCESS_KEY' })]),
  )
  for (const container of containers)
    expect(container.volumeMounts).toContainEqual({ name: 'work', mountPath: '/work' })
})

test('whatever asks a store with a private authority has its certificates mounted, from the Secret that brings the keys', () => {
  const secure = { ...location, authorities: 'PEM' }
  const set = serverManifests(cache, toyStack, 'dc-a' as SiteName, secure).find(
    (one) => one.object.kind === 'StatefulSet',
  )
  const server = ((set?.object.spec ?? {}) as { readonly template: { readonly spec: PodSpec } }).template.spec
  const job = (backupManifest(cache, toyStack, 'dc-a' as SiteName, secure, false).object.spec as CronJobSpec)
    .jobTemplate.spec.template.spec
  for (const { containers, volumes } of [server, job as PodSpec]) {
    const asking = containers.filter(({ env = [] }) => env.some(({ name }) => name === 'BUCKET_URL'))
    expect(asking).toHaveLength(1)
    for (const { env, volumeMounts } of asking) {
      expect(env).toEqual(expect.arrayContaining([{ name: 'AUTHORITIES', value: '/authorities/ca.crt' }]))
      expect(volumeMounts).toEqual(
        expect.arrayContaining([{ name: 'authorities', mountPath: '/authorities', readOnly: true }]),
      )
    }
    const secret = { secretName: 'redis-backup-store', items: [{ key: 'ca.crt', path: 'ca.crt' }] }
    expect(volumes).toEqual(expect.arrayContaining([{ name: 'authorities', secret }]))
  }
  const access = { accessKeyId: 'id', secretAccessKey: 'key' }
  expect(storeSecretManifest(cache, toyStack, secure, access).object.data).toMatchObject({
    'ca.crt': Buffer.from('PEM').toString('base64'),
  })
  expect(storeSecretManifest(cache, toyStack, location, access).object.data).not.toHaveProperty(['ca.crt'])
})
