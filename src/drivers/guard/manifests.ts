import { createHash } from 'node:crypto'
import type { SiteName, Stack } from '../../domain/stack.ts'
import { CONFIGURATION, GUARD, WITNESS_AUTHORITIES } from '../../guard/names.ts'
import { type DeclaredObject, ownedBy } from '../../platform/kubernetes/declared-objects.ts'
import { canonicalJson, type JsonObject } from '../../values/json.ts'
import { guardNamespace } from './namespace.ts'
import { BOOT, type Program } from './program.ts'
import type { GuardComponent } from './spec.ts'

export const PROGRAM = `${GUARD}-program`
export const WITNESS_KEYS = `${GUARD}-witness`
export const guardSelector = { 'app.kubernetes.io/name': GUARD } as const

export interface GuardParts {
  readonly program: Program
  /** The stack file as it is: it holds no credentials. */
  readonly stackFile: string
  /** By the variables in which the guard finds them. */
  readonly keys: Readonly<Record<string, string>>
  /** PEM of the authorities of the witness; null: those of the image. */
  readonly authorities: string | null
}

/** Changes whenever a running guard has to be restarted for a change. */
export function configurationOf(component: GuardComponent, site: SiteName, parts: GuardParts): string {
  const { program, stackFile, keys, authorities } = parts
  const value = {
    component: component.spec as unknown as JsonObject,
    site,
    program: program.sha256,
    boot: BOOT,
    stackFile,
    keys: hash(Object.values(keys).join('')),
    ...(authorities === null ? {} : { authorities }),
  }
  return hash(canonicalJson(value)).slice(0, 16)
}
const hash = (text: string): string => createHash('sha256').update(text).digest('hex')

/** All objects of a site's guard; its namespace and ServiceAccount come with the identities (`standby rbac`). */
export function guardManifests(
  component: GuardComponent,
  stack: Stack,
  site: SiteName,
  parts: GuardParts,
): DeclaredObject[] {
  const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64')
  const metadata = (name: string) => ({
    name,
    namespace: guardNamespace(stack.name),
    labels: ownedBy(stack.name, component.name),
  })
  const { program, stackFile, keys, authorities } = parts
  return [
    {
      plural: 'secrets',
      object: {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: metadata(WITNESS_KEYS),
        type: 'Opaque',
        data: Object.fromEntries(Object.entries(keys).map(([name, value]) => [keyInSecret(name), base64(value)])),
      },
    },
    {
      plural: 'configmaps',
      object: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: metadata(PROGRAM),
        data: {
          'boot.mjs': BOOT,
          'standby.yaml': stackFile,
          ...(authorities === null ? {} : { [WITNESS_AUTHORITIES]: authorities }),
        },
        binaryData: { 'standby.js.gz': program.packed },
      },
    },
    // Without data: the guard writes them. It may change this object, and create none.
    { plural: 'configmaps', object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(GUARD) } },
    {
      plural: 'deployments',
      object: {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: metadata(GUARD),
        spec: {
          replicas: 1,
          selector: { matchLabels: guardSelector },
          template: {
            metadata: { labels: { ...ownedBy(stack.name, component.name), ...guardSelector } },
            spec: podSpec(component, site, Object.keys(keys), configurationOf(component, site, parts)),
          },
        },
      },
    },
  ]
}

/** `ACCESS_KEY_ID` for `STANDBY_GUARD_ACCESS_KEY_ID`. */
const keyInSecret = (variable: string): string => variable.replace('STANDBY_GUARD_', '')

/**
 * When a site comes back in part, the guard's node may be the one that is dead: Kubernetes would leave the pod there
 * for 300 s.
 */
const ON_A_DEAD_NODE = 10

function podSpec(
  component: GuardComponent,
  site: SiteName,
  variables: readonly string[],
  configuration: string,
): JsonObject {
  return {
    serviceAccountName: GUARD,
    tolerations: ['not-ready', 'unreachable'].map((taint) => ({
      key: `node.kubernetes.io/${taint}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: ON_A_DEAD_NODE,
    })),
    // The node's resolver: in a booting site no name resolves before its own DNS runs, and the witness is outside of
    // the site.
    dnsPolicy: 'Default',
    terminationGracePeriodSeconds: 5,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'guard',
        image: component.spec.image ?? '',
        imagePullPolicy: 'IfNotPresent',
        command: ['node', '/etc/standby/boot.mjs'],
        args: ['--stack', '/etc/standby/standby.yaml', 'guard', '--site', site, '--memory', '/run/standby'],
        env: [
          ...variables.map((name) => ({
            name,
            valueFrom: { secretKeyRef: { name: WITNESS_KEYS, key: keyInSecret(name) } },
          })),
          { name: CONFIGURATION, value: configuration },
        ],
        resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '1', memory: '192Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        volumeMounts: [
          { name: 'program', mountPath: '/etc/standby', readOnly: true },
          { name: 'run', mountPath: '/run/standby' },
        ],
      },
    ],
    volumes: [
      { name: 'program', configMap: { name: PROGRAM } },
      // In memory: what the guard knows must not outlive a boot.
      { name: 'run', emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
    ],
  }
}
