import type { Component } from '../../domain/stack.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import { type Resources, resourcesSchema, sized } from '../../platform/kubernetes/pod-resources.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { duration, folder, imageName, kubernetesName, secretKey, text } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'

/** One Redis per site, without replication between sites: a move carries its data over. */
export interface RedisSpec {
  readonly namespace: string
  readonly name: string
  readonly image: string
  readonly password: { readonly secret: string; readonly key: string }
  readonly storage?: string
  readonly resources?: Resources
  readonly databases?: number
  readonly move?: 'restore' | 'fresh'
  readonly backup: RedisBackup
}
export interface RedisBackup {
  readonly store: string
  readonly prefix?: string
  readonly schedule?: string
  readonly retention?: string
  readonly images: { readonly dump: string; readonly upload: string }
}
export type Cache = Component<RedisSpec>
/** A running step of this driver. */
export type RedisRun<Parameters extends JsonObject = JsonObject> = StepRun<RedisSpec, Parameters, unknown>

export const redisSchema = fieldsOf<RedisSpec>()({
  description: 'One Redis (7.0 or newer) per site with append-only persistence, and its working backup.',
  required: ['namespace', 'name', 'image', 'password', 'backup'],
  properties: {
    namespace: kubernetesName('The namespace, on every site.'),
    // The longest name that is derived from it is that of a job: NAME-backup-20261129120000.
    name: kubernetesName(
      'Name of the StatefulSet and of the Service that the application uses; at most 40 characters.',
      40,
    ),
    image: imageName('The official redis image, or one with the same programs.', {
      examples: ['docker.io/library/redis:7.4.6'],
    }),
    password: {
      description: 'The Secret with the password. It must exist on each site before the first deploy.',
      type: 'object',
      required: ['secret', 'key'],
      additionalProperties: false,
      properties: { secret: kubernetesName('Name of the Secret.'), key: secretKey('Key in the Secret.') },
    },
    storage: text('Size of the volume, three times the data: a restore keeps what was there before. Default 2Gi.', {
      pattern: '^[1-9][0-9]*(Mi|Gi|Ti)$',
      examples: ['2Gi'],
    }),
    resources: resourcesSchema(
      'Sizes of the containers that hold the data: the server, and what loads, dumps or tests it. Default: requests of 50m CPU and 64Mi, and no limits: a Redis that meets its memory limit is killed.',
    ),
    databases: {
      description:
        'How many logical databases there are (SELECT 0 to this minus 1). All of them are dumped, moved and counted. Default 16.',
      type: 'integer',
      minimum: 1,
      maximum: 16384,
    },
    move: {
      description:
        'restore (default): in a move the new site gets all keys of the old one. fresh: it begins empty; queued jobs, sessions and caches are lost.',
      enum: ['restore', 'fresh'],
    },
    backup: {
      description:
        'A consistent RDB file, checked and stored with its checksum and key count; only on the active site.',
      type: 'object',
      required: ['store', 'images'],
      additionalProperties: false,
      properties: {
        store: text('The object-store component of this stack.'),
        prefix: folder("Folder below the bucket; the component's name when absent.", 'without-slash'),
        schedule: text('When backups are taken: five fields, as in a CronJob. Default: each hour.', {
          examples: ['0 * * * *'],
        }),
        retention: duration('How long backups are kept. Default 7d.'),
        images: {
          description:
            'Images of the backup: one with redis-cli and redis-check-rdb, one with curl 7.88 or newer. Both need a POSIX shell.',
          type: 'object',
          required: ['dump', 'upload'],
          additionalProperties: false,
          properties: { dump: imageName('Reads and checks.'), upload: imageName('Stores.') },
        },
      },
    },
  },
})

export const podOf = (component: Cache): string => `${component.spec.name}-0`
export const backupJob = (component: Cache): string => `${component.spec.name}-backup`
/** The Secret with the keys that the backup job writes with. */
export const storeSecret = (component: Cache): string => `${component.spec.name}-backup-store`
/** The Secret that asks a starting Redis to load a dump. */
export const restoreRequest = (component: Cache): string => `${component.spec.name}-restore-request`
/** Below the store's own prefix; every site has a store of its own. */
export const backupFolder = (component: Cache): string => `${component.spec.backup.prefix ?? component.name}/`

/**
 * Requests and limits of the containers that hold the data. No limits by default: only the owner knows how much memory
 * the data of a running Redis need. Pure.
 */
export const sizesOf = ({ spec }: Cache): JsonObject =>
  sized({ requests: { cpu: '50m', memory: '64Mi' } }, spec.resources)

export const storageOf = ({ storage }: RedisSpec): string => storage ?? '2Gi'
