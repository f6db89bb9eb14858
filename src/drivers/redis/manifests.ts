import { type AccessKeys, AUTHORITIES, accessKeysInSecret, authoritiesInSecret } from '../../clients/access-keys.ts'
import { isLogin, type ObjectStoreLocation } from '../../clients/object-store-client.ts'
import type { SiteName, Stack } from '../../domain/stack.ts'
import { type DeclaredObject, ownedBy } from '../../platform/kubernetes/declared-objects.ts'
import { SMALL, sized } from '../../platform/kubernetes/pod-resources.ts'
import { hours, parseDuration } from '../../values/duration.ts'
import type { JsonObject } from '../../values/json.ts'
import { DUMP, FETCH, IDLE, LOAD, SERVE, UPLOAD } from './scripts.ts'
import { backupFolder, backupJob, type Cache, podOf, restoreRequest, sizesOf, storageOf, storeSecret } from './spec.ts'

const shell = (script: string): string[] => ['sh', '-c', script]
const passwordOf = (component: Cache): JsonObject => ({
  secretKeyRef: { name: component.spec.password.secret, key: component.spec.password.key },
})
/** With `oneUser` it satisfies the pod security standard `restricted`. */
export const confined: JsonObject = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
const pull = { imagePullPolicy: 'IfNotPresent', securityContext: confined }
const small = { ...pull, resources: sized(SMALL) }
/**
 * One user for all containers (999 is redis in the official image): the user of curl's image could not write to the
 * volume.
 */
export const oneUser: JsonObject = {
  runAsNonRoot: true,
  runAsUser: 999,
  runAsGroup: 999,
  fsGroup: 999,
  seccompProfile: { type: 'RuntimeDefault' },
}

/** StatefulSet and Service of one site. The restore request is optional: without it Redis starts with its own data. */
export function serverManifests(
  component: Cache,
  stack: Stack,
  site: SiteName,
  location: ObjectStoreLocation,
): DeclaredObject[] {
  const { name, namespace, image } = component.spec
  const labels = ownedBy(stack.name, component.name)
  const selector = { 'app.kubernetes.io/name': name, 'standby.dev/component': component.name }
  const data = { name: 'data', mountPath: '/data' }
  const request = { name: 'request', mountPath: '/request' }
  const large = { ...pull, resources: sizesOf(component) }
  const work = { name: 'work', mountPath: '/work' }
  const authorities = authoritiesFor(component, location)
  return [
    {
      plural: 'services',
      object: {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace, labels },
        spec: { selector, ports: [{ name: 'redis', port: 6379, targetPort: 6379, protocol: 'TCP' }] },
      },
    },
    {
      plural: 'statefulsets',
      object: {
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { name, namespace, labels },
        spec: {
          serviceName: name,
          replicas: 1,
          selector: { matchLabels: selector },
          template: {
            metadata: { labels: { ...labels, ...selector } },
            spec: {
              terminationGracePeriodSeconds: 10,
              securityContext: oneUser,
              initContainers: [
                {
                  name: 'fetch',
                  image: component.spec.backup.images.upload,
                  ...small,
                  command: shell(FETCH),
                  volumeMounts: [data, request],
                },
                { name: 'load', image, ...large, command: shell(LOAD), volumeMounts: [data, request] },
              ],
              containers: [
                {
                  name: 'redis',
                  image,
                  ...large,
                  command: shell(SERVE),
                  env: [
                    { name: 'REDIS_PASSWORD', valueFrom: passwordOf(component) },
                    databasesVariable(component),
                    ...dumping(component, site, '127.0.0.1'),
                  ],
                  ports: [{ name: 'redis', containerPort: 6379, protocol: 'TCP' }],
                  readinessProbe: {
                    exec: { command: shell('[ "$(redis-cli ping)" = PONG ]') },
                    periodSeconds: 1,
                    timeoutSeconds: 2,
                  },
                  volumeMounts: [data, { name: 'run', mountPath: '/run/redis' }, work],
                },
                {
                  name: TRANSFER,
                  image: component.spec.backup.images.upload,
                  ...small,
                  command: shell(IDLE),
                  env: storing(component, location),
                  volumeMounts: [data, work, ...authorities.mounts],
                },
              ],
              volumes: [
                { name: 'run', emptyDir: { medium: 'Memory' } },
                { name: 'work', emptyDir: {} },
                { name: 'request', secret: { secretName: restoreRequest(component), optional: true } },
                ...authorities.volumes,
              ],
            },
          },
          volumeClaimTemplates: [
            {
              metadata: { name: 'data' },
              spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: storageOf(component.spec) } } },
            },
          ],
        },
      },
    },
  ]
}

/** The keys with which the backup job writes to its own site's store. */
export function storeSecretManifest(
  component: Cache,
  stack: Stack,
  location: ObjectStoreLocation,
  keys: AccessKeys,
): DeclaredObject {
  return {
    plural: 'secrets',
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: storeSecret(component),
        namespace: component.spec.namespace,
        labels: ownedBy(stack.name, component.name),
      },
      type: 'Opaque',
      data: { ...accessKeysInSecret(keys), ...authoritiesInSecret(location) },
    },
  }
}

/** The hourly backup: never two at once, suspended on the passive site, whose Redis has no current data. */
export function backupManifest(
  component: Cache,
  stack: Stack,
  site: SiteName,
  location: ObjectStoreLocation,
  suspend: boolean,
): DeclaredObject {
  const { namespace, backup } = component.spec
  return {
    plural: 'cronjobs',
    object: {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: backupJob(component), namespace, labels: ownedBy(stack.name, component.name) },
      spec: {
        schedule: backup.schedule ?? '0 * * * *',
        suspend,
        concurrencyPolicy: 'Forbid',
        startingDeadlineSeconds: 600,
        successfulJobsHistoryLimit: 2,
        failedJobsHistoryLimit: 3,
        jobTemplate: {
          metadata: { labels: ownedBy(stack.name, component.name) },
          spec: jobSpec(component, site, location),
        },
      },
    },
  }
}

function jobSpec(component: Cache, site: SiteName, location: ObjectStoreLocation): JsonObject {
  const { backup, name } = component.spec
  const work = { name: 'work', mountPath: '/work' }
  const authorities = authoritiesFor(component, location)
  return {
    backoffLimit: 2,
    activeDeadlineSeconds: 1800,
    ttlSecondsAfterFinished: 86_400,
    template: {
      metadata: { labels: { 'standby.dev/component': component.name } },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 5,
        securityContext: oneUser,
        initContainers: [
          {
            name: 'dump',
            image: backup.images.dump,
            ...pull,
            resources: sizesOf(component),
            command: shell(DUMP),
            env: dumping(component, site, name),
            volumeMounts: [work],
          },
        ],
        containers: [
          {
            name: 'upload',
            image: backup.images.upload,
            ...small,
            command: shell(UPLOAD),
            env: storing(component, location),
            volumeMounts: [work, ...authorities.mounts],
          },
        ],
        volumes: [{ name: 'work', emptyDir: {} }, ...authorities.volumes],
      },
    },
  }
}

/** What SERVE is given of its logical databases. */
export const databasesVariable = (component: Cache): JsonObject => ({
  name: 'DATABASES',
  value: String(component.spec.databases ?? 16),
})

/** The environment of DUMP. */
const dumping = (component: Cache, site: SiteName, host: string): JsonObject[] => [
  { name: 'REDIS_HOST', value: host },
  { name: 'SITE', value: site },
  { name: 'REDISCLI_AUTH', valueFrom: passwordOf(component) },
]

/** The environment of UPLOAD. */
function storing(component: Cache, location: ObjectStoreLocation): JsonObject[] {
  const keys = (key: string): JsonObject => ({ secretKeyRef: { name: storeSecret(component), key } })
  const retention = parseDuration(component.spec.backup.retention ?? '7d') ?? hours(168)
  return [
    { name: 'ACCESS_KEY_ID', valueFrom: keys('ACCESS_KEY_ID') },
    { name: 'SECRET_ACCESS_KEY', valueFrom: keys('SECRET_ACCESS_KEY') },
    ...(isLogin(location.credentials) || location.credentials.sessionToken === undefined
      ? []
      : [{ name: 'SESSION_TOKEN', valueFrom: keys('SESSION_TOKEN') }]),
    { name: 'REGION', value: location.region },
    { name: 'BUCKET_URL', value: `${location.endpoint.replace(/\/$/, '')}/${location.bucket}` },
    { name: 'PREFIX', value: `${location.prefix}${backupFolder(component)}` },
    ...authoritiesFor(component, location).variables,
    { name: 'RETENTION_SECONDS', value: String(Math.floor(retention / 1000)) },
  ]
}

/** How a container that uses the store gets its private authorities; empty where the store has none. */
function authoritiesFor(
  component: Cache,
  location: ObjectStoreLocation,
): Record<'variables' | 'mounts' | 'volumes', JsonObject[]> {
  if (location.authorities === undefined) return { variables: [], mounts: [], volumes: [] }
  const secret = { secretName: storeSecret(component), items: [{ key: AUTHORITIES, path: AUTHORITIES }] }
  return {
    variables: [{ name: 'AUTHORITIES', value: `/authorities/${AUTHORITIES}` }],
    mounts: [{ name: 'authorities', mountPath: '/authorities', readOnly: true }],
    volumes: [{ name: 'authorities', secret }],
  }
}

/** The container beside the server, which brings dumps to the object store and fetches them. */
export const TRANSFER = 'transfer'
export const podReference = (component: Cache) => ({
  namespace: component.spec.namespace,
  name: podOf(component),
  container: 'redis',
})
