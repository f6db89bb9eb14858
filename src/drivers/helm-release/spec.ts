import type { Component } from '../../domain/stack.ts'
import type { StepRun } from '../../driver/behaviour.ts'
import { fieldsOf } from '../../schema/fields.ts'
import { exactVersion, kubernetesName, secretKey, text } from '../../schema/parts.ts'
import {
  canarySchema,
  type DeclaredCanary,
  type DeclaredIdentity,
  identitySchema,
} from '../../systems/application/declaration.ts'
import type { JsonObject } from '../../values/json.ts'

/** An application that is installed by a Helm chart: it runs on the active site, and sleeps on the passive one. */
export interface HelmReleaseSpec {
  readonly namespace: string
  readonly release: string
  readonly chart:
    | { readonly path: string }
    | { readonly oci: string; readonly version: string }
    | { readonly repository: string; readonly name: string; readonly version: string }
  readonly values?: {
    readonly all?: readonly string[]
    readonly active?: readonly string[]
    readonly passive?: readonly string[]
  }
  readonly mustMatch?: readonly { readonly secret: string; readonly keys: readonly string[] }[]
  readonly workload: { readonly kind: 'Deployment' | 'StatefulSet'; readonly name: string; readonly container: string }
  readonly identity?: DeclaredIdentity
  readonly canary?: Canary
  readonly restoreTest?: {
    readonly values?: readonly string[]
    readonly secret: string
    readonly environment: Readonly<Record<string, string>>
  }
}
/** `port`: of the application inside its pod. */
export interface Canary extends DeclaredCanary {
  readonly port: number
}
export type Application = Component<HelmReleaseSpec>
/** A running step of this driver. */
export type ReleaseRun<Parameters extends JsonObject = JsonObject, Memory = unknown> = StepRun<
  HelmReleaseSpec,
  Parameters,
  Memory
>

const files = (description: string): JsonObject => ({
  description,
  type: 'array',
  items: text('A values file, relative to the stack file.'),
})

export const helmReleaseSchema = fieldsOf<HelmReleaseSpec>()({
  description: 'An application installed by a Helm chart, with values per role.',
  required: ['namespace', 'release', 'chart', 'workload'],
  properties: {
    namespace: kubernetesName('The namespace, on every site.'),
    release: kubernetesName('Name of the Helm release.'),
    chart: {
      description: 'The chart: { path }, { oci, version } or { repository, name, version }.',
      type: 'object',
      oneOf: [
        {
          required: ['path'],
          additionalProperties: false,
          properties: { path: text('A folder, relative to the stack file.') },
        },
        {
          required: ['oci', 'version'],
          additionalProperties: false,
          properties: {
            oci: text('oci://…', { pattern: '^oci://[^\\s\'"]+$' }),
            version: exactVersion('Exact version.'),
          },
        },
        {
          required: ['repository', 'name', 'version'],
          additionalProperties: false,
          properties: {
            repository: text('URL of the chart repository.', { pattern: '^https?://[^\\s\'"]+$' }),
            name: text('Name of the chart.', { pattern: '^[A-Za-z0-9][-A-Za-z0-9_.]*$' }),
            version: exactVersion('Exact version.'),
          },
        },
      ],
    },
    values: {
      description: 'Values files; later ones win.',
      type: 'object',
      additionalProperties: false,
      properties: {
        all: files('For every site.'),
        active: files('For the active site.'),
        passive: files('For passive sites: no replicas, or no workers.'),
      },
    },
    mustMatch: {
      description: 'Secrets that must be equal on every site; compared by hash, never shown.',
      type: 'array',
      items: {
        type: 'object',
        required: ['secret', 'keys'],
        additionalProperties: false,
        properties: {
          secret: kubernetesName('Name of the Secret.'),
          keys: {
            description: 'The keys of it that must be equal.',
            type: 'array',
            minItems: 1,
            items: secretKey('A key of it.'),
          },
        },
      },
    },
    workload: {
      description: 'What a move stops and starts.',
      type: 'object',
      required: ['kind', 'name', 'container'],
      additionalProperties: false,
      properties: {
        kind: { description: 'What the chart makes of the application.', enum: ['Deployment', 'StatefulSet'] },
        name: kubernetesName('metadata.name.'),
        container: kubernetesName('The container of the application.'),
      },
    },
    identity: identitySchema,
    canary: canarySchema({
      port: { description: 'Port of the application inside its pod.', type: 'integer', minimum: 1, maximum: 65535 },
    }),
    restoreTest: {
      description:
        "How one pod of the application is started on restored data: without workers, with the passive site's own key.",
      type: 'object',
      required: ['secret', 'environment'],
      additionalProperties: false,
      properties: {
        values: files('Values for the sandbox: no ingress, no workers, one replica.'),
        secret: kubernetesName('The Secret of the passive site that the pod takes its environment from.'),
        environment: {
          description:
            'What is replaced in it; ${database.host}, ${database.password}, ${cache.host} … stand for the restored copies.',
          type: 'object',
          additionalProperties: { type: 'string' },
        },
      },
    },
  },
})

export const valuesFiles = (component: Application, role: 'active' | 'passive'): readonly string[] => [
  ...(component.spec.values?.all ?? []),
  ...(component.spec.values?.[role] ?? []),
]
export const workloadRef = (component: Application) => {
  const { kind, name } = component.spec.workload
  return {
    apiVersion: 'apps/v1',
    kind,
    plural: kind === 'Deployment' ? 'deployments' : 'statefulsets',
    namespace: component.spec.namespace,
    name,
  }
}
