import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Binaries } from '../binaries/build.ts'
import type { ImageNames } from '../images/catalogue.ts'
import { apply, type Kubectl } from './kubectl.ts'
import { newKey, openssl } from './pki.ts'

/**
 * The operator's release manifest with the lab's image, and without the 100m CPU limit that slows every reconcile on a
 * busy machine.
 */
export function operatorManifest(manifest: string, image: string): string {
  return replaceAllOrFail(manifest, [
    ['ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0', image],
    ['imagePullPolicy: Always', 'imagePullPolicy: IfNotPresent'],
    ['cpu: 100m\n            memory: 200Mi', 'cpu: "2"\n            memory: 400Mi'],
    // Asked more often, so that a fresh lab is ready sooner; the thresholds stay as long in seconds.
    [
      'failureThreshold: 6\n          httpGet:\n            path: /readyz\n            port: 9443\n            scheme: HTTPS\n          periodSeconds: 5',
      'failureThreshold: 60\n          httpGet:\n            path: /readyz\n            port: 9443\n            scheme: HTTPS\n          periodSeconds: 1',
    ],
  ])
}

/**
 * The plugin's manifest with the lab's images; its cert-manager documents give way to two self-signed pairs (see
 * `pluginCertificates`).
 */
export function pluginManifest(manifest: string, images: { plugin: string; sidecar: string }): string {
  const documents = manifest.split(/^---$/m).filter((document) => !document.includes('apiVersion: cert-manager.io/v1'))
  const edited = documents.map((document) => {
    if (/^kind: Secret$/m.test(document) && document.includes('SIDECAR_IMAGE')) {
      return document.replace(
        /^data:\n {2}SIDECAR_IMAGE: \|\n(?: {4}.*\n)+/m,
        `stringData:\n  SIDECAR_IMAGE: ${images.sidecar}\n`,
      )
    }
    return document
  })
  return replaceAllOrFail(edited.join('---'), [
    [
      'image: ghcr.io/cloudnative-pg/plugin-barman-cloud-testing:main',
      `image: ${images.plugin}\n        imagePullPolicy: IfNotPresent`,
    ],
    ['initialDelaySeconds: 10\n          periodSeconds: 10', 'initialDelaySeconds: 1\n          periodSeconds: 2'],
  ])
}

/** Installs operator and plugin and returns when both Deployments are available. */
export async function installOperators(kubectl: Kubectl, binaries: Binaries, images: ImageNames): Promise<void> {
  await apply(kubectl, operatorManifest(await readFile(binaries['cloudnative-pg.yaml'], 'utf8'), images.operator))
  await apply(kubectl, await pluginCertificates())
  await apply(kubectl, pluginManifest(await readFile(binaries['plugin-barman-cloud.yaml'], 'utf8'), images))
}

export async function untilOperatorsAvailable(kubectl: Kubectl): Promise<void> {
  const deployments = ['deployment/cnpg-controller-manager', 'deployment/barman-cloud']
  await kubectl(
    ['-n', 'cnpg-system', 'wait', '--for=condition=Available', '--timeout=180s', '--request-timeout=0', ...deployments],
    {
      deadline: 190_000,
    },
  )
}

async function pluginCertificates(): Promise<object[]> {
  const directory = await mkdtemp(join(tmpdir(), 'standby-lab-'))
  try {
    return await Promise.all([
      selfSigned(directory, 'barman-cloud-client-tls', 'barman-cloud-client', ['extendedKeyUsage=clientAuth']),
      selfSigned(directory, 'barman-cloud-server-tls', 'barman-cloud', [
        'subjectAltName=DNS:barman-cloud',
        'extendedKeyUsage=serverAuth',
      ]),
    ])
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function selfSigned(
  directory: string,
  secret: string,
  name: string,
  extensions: readonly string[],
): Promise<object> {
  const key = join(directory, `${secret}.key`)
  const certificate = join(directory, `${secret}.crt`)
  const added = extensions.flatMap((extension) => ['-addext', extension])
  await openssl(['req', '-x509', ...newKey(key), '-days', '365', '-subj', `/CN=${name}`, ...added, '-out', certificate])
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { name: secret, namespace: 'cnpg-system' },
    stringData: { 'tls.crt': await readFile(certificate, 'utf8'), 'tls.key': await readFile(key, 'utf8') },
  }
}

/** A release whose manifest changed shape must not be installed half edited. */
function replaceAllOrFail(text: string, replacements: readonly (readonly [string, string])[]): string {
  return replacements.reduce((edited, [from, to]) => {
    if (!edited.includes(from))
      throw new Error(
        `lab-manifest-changed: the release manifest has no "${from.split('\n')[0]}"; look at lab/site/operators.ts`,
      )
    return edited.replaceAll(from, to)
  }, text)
}
