import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from '../execute.ts'
import { addressOf, apiServerOf, rangesOf, type SiteName, stateOf } from '../topology.ts'

/** Path of a file of the site's own certificate authority. */
export const pkiOf = (site: SiteName, file = '') => stateOf(site, 'pki', file)

export const adminKubeconfigOf = (site: SiteName) => pkiOf(site, 'admin.kubeconfig')

/** Creates a site's authority, the certificates of its parts, and their kubeconfigs; all or nothing. */
export async function ensurePki(site: SiteName): Promise<void> {
  if (existsSync(pkiOf(site))) return
  const directory = `${stateOf(site)}/pki.unfinished`
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const at = (file: string) => join(directory, file)
  await makeAuthority(at, `standby-lab-${site}`)
  await openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-out', at('sa.key')])
  await openssl(['pkey', '-in', at('sa.key'), '-pubout', '-out', at('sa.pub')])
  await Promise.all(certificatesOf(site).map((certificate) => sign(at, certificate)))
  await Promise.all(kubeconfigUsers.map((user) => writeKubeconfig(site, at, user)))
  await rename(directory, pkiOf(site))
}

/** Of an authority: `file.crt` and `file.key`. */
export interface Certificate {
  readonly file: string
  readonly subject: string
  /** Such as `IP:10.77.0.1` and `DNS:s3`. */
  readonly names?: readonly string[]
}

/** Makes `ca.crt` and `ca.key` in the directory that `at` leads into. */
export async function makeAuthority(at: (file: string) => string, name: string): Promise<void> {
  const authority = ['-subj', `/CN=${name}`, '-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature']
  await openssl(['req', '-x509', ...newKey(at('ca.key')), ...authority, '-days', '3650', '-out', at('ca.crt')])
}

const kubeconfigUsers = ['admin', 'controller-manager', 'scheduler', 'kubelet', 'proxy', 'recycler'] as const

function certificatesOf(site: SiteName): Certificate[] {
  const address = `IP:${addressOf[site]}`
  const kubernetesNames = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'].map(
    (name) => `DNS:${name}`,
  )
  return [
    {
      file: 'apiserver',
      subject: '/CN=kube-apiserver',
      names: [address, 'IP:127.0.0.1', `IP:${rangesOf(site).apiService}`, ...kubernetesNames],
    },
    { file: 'admin', subject: '/O=system:masters/CN=admin' },
    { file: 'recycler', subject: '/O=system:masters/CN=standby-lab-recycler' },
    { file: 'controller-manager', subject: '/CN=system:kube-controller-manager' },
    { file: 'scheduler', subject: '/CN=system:kube-scheduler' },
    { file: 'kubelet', subject: `/O=system:nodes/CN=system:node:${site}`, names: [address, `DNS:${site}`] },
    { file: 'proxy', subject: '/CN=system:kube-proxy' },
    { file: 'kubelet-client', subject: '/O=system:masters/CN=apiserver-kubelet-client' },
  ]
}

/** Makes a certificate for server and client that the authority in the same directory signs. */
export async function sign(at: (file: string) => string, { file, subject, names }: Certificate): Promise<void> {
  const extensions = [
    '-addext',
    'basicConstraints=critical,CA:FALSE',
    '-addext',
    'extendedKeyUsage=clientAuth,serverAuth',
  ]
  if (names !== undefined) extensions.push('-addext', `subjectAltName=${names.join(',')}`)
  const issuer = ['-CA', at('ca.crt'), '-CAkey', at('ca.key')]
  const output = ['-days', '3650', '-out', at(`${file}.crt`)]
  await openssl(['req', '-x509', ...newKey(at(`${file}.key`)), '-subj', subject, ...issuer, ...extensions, ...output])
}

async function writeKubeconfig(
  site: SiteName,
  at: (file: string) => string,
  user: (typeof kubeconfigUsers)[number],
): Promise<void> {
  const inline = async (file: string) => (await readFile(at(file))).toString('base64')
  const kubeconfig = kubeconfigOf(site, await inline('ca.crt'), user, {
    'client-certificate-data': await inline(`${user}.crt`),
    'client-key-data': await inline(`${user}.key`),
  })
  await writeFile(at(`${user}.kubeconfig`), kubeconfig)
  await chmod(at(`${user}.kubeconfig`), 0o600)
}

/** A kubeconfig (JSON is YAML) with one cluster, one user and one context, all named after the site. */
export function kubeconfigOf(
  site: SiteName,
  authority: string,
  user: string,
  credentials: Record<string, string>,
): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: site, cluster: { server: apiServerOf(site), 'certificate-authority-data': authority } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name: site, context: { cluster: site, user } }],
    'current-context': site,
  })
}

export const newKey = (path: string) => [
  '-newkey',
  'ec',
  '-pkeyopt',
  'ec_paramgen_curve:prime256v1',
  '-nodes',
  '-keyout',
  path,
]
export const openssl = (args: readonly string[]) => execute('openssl', args, { deadline: 20_000 })
