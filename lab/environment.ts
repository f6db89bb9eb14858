import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execute } from './execute.ts'
import type { ApplicationImageNames, ImageNames } from './images/catalogue.ts'
import { kubeconfigOf } from './site/pki.ts'
import { type LoadBalancerName, type NginxName, runDirectory, type SiteName } from './topology.ts'
import type { AccessKey } from './wan/s3.ts'
import type { AccountName } from './wan/s3-policies.ts'

/** What tests, the drill and the adaptation of stack files need to know of a running lab. */
export interface LabEnvironment {
  readonly schemaVersion: 1
  readonly sites: readonly LabSite[]
  readonly s3: {
    readonly endpoint: string
    readonly region: string
    readonly root: AccessKey
    readonly accounts: Readonly<Record<AccountName, AccessKey>>
    readonly buckets: readonly string[]
  }
  readonly loadBalancers: readonly LabLoadBalancer[]
  /** What `up --nginx-and-dns` adds; undefined in a lab without it. */
  readonly nginxAndDns?: LabNginxAndDns
  /** The fake of GitHub's API; undefined when the checkout has none. */
  readonly githubUrl?: string
  readonly images: ImageNames & ApplicationImageNames
  /** Paths of the programs that belong to this lab's versions. */
  readonly programs: { readonly kubectl: string; readonly helm: string; readonly act: string }
}

export interface LabSite {
  readonly name: SiteName
  readonly apiServer: string
  /** Path of the cluster administrator's kubeconfig: for setting a test up, never for an operation. */
  readonly kubeconfig: string
  /** UID of the `kube-system` namespace, which tells this cluster from any other. */
  readonly clusterId: string
  readonly address: string
  readonly nodePorts: { readonly first: number; readonly last: number }
}

export interface LabLoadBalancer {
  readonly name: LoadBalancerName
  readonly host: string
  readonly sshPort: number
  readonly user: string
  /** Path of the key that may log in. */
  readonly privateKey: string
  /** Path of the file with the host keys of all load balancers. */
  readonly knownHosts: string
  readonly runtimeSocket: string
  readonly masterSocket: string
  readonly mapFile: string
  readonly frontends: readonly LabFrontend[]
}

/**
 * A frontend looks its key up in the map and uses the backend of that name; the backend's answers carry the site in
 * `X-Standby-Site`.
 */
export interface LabFrontend {
  readonly url: string
  readonly mapKey: string
  readonly nodePort: number
  readonly backends: Readonly<Record<SiteName, string>>
}

export interface LabNginxAndDns {
  readonly nginx: readonly LabNginx[]
  readonly dns: LabDns
}

/** An NGINX as docs/drivers/nginx.md has it; answers carry the site in `X-Standby-Site`. */
export interface LabNginx {
  readonly name: NginxName
  readonly host: string
  readonly url: string
  readonly user: string
  /** Paths, as those of a load balancer. */
  readonly privateKey: string
  readonly knownHosts: string
  readonly file: string
  readonly variable: string
  /** Answers the variable, on the host itself. */
  readonly status: string
  readonly closed: string
  readonly upstreams: Readonly<Record<string, string>>
}

/** A DNS server whose record names the active site, and what sets and reads that record over HTTP. */
export interface LabDns {
  /** Address of the server; it listens on port 53. */
  readonly server: string
  /** Full name of the record. */
  readonly name: string
  /** Of the record, on the bridge. */
  readonly url: string
  readonly token: string
  /** Certificates (PEM) of the authority that signed the bridge's. */
  readonly authorities: string
  /** What the record says for each site. */
  readonly addresses: Readonly<Record<string, string>>
  readonly closed: string
  /** Seconds. */
  readonly ttl: number
}

export const environmentPath = join(runDirectory, 'environment.json')

/** The facts of the running lab; fails with what to do when there is none. */
export async function readLabEnvironment(): Promise<LabEnvironment> {
  try {
    return JSON.parse(await readFile(environmentPath, 'utf8'))
  } catch {
    throw new Error(`lab-not-up: ${environmentPath} cannot be read. Start the lab:  npm run lab -- up`)
  }
}

export async function writeLabEnvironment(environment: LabEnvironment): Promise<void> {
  const unfinished = `${environmentPath}.unfinished`
  await writeFile(unfinished, JSON.stringify(environment, null, 2), { mode: 0o600 })
  await rename(unfinished, environmentPath)
}

/** A kubeconfig with a token of a ServiceAccount (TokenRequest), good for some hours; the account must exist. */
export async function mintKubeconfig(
  site: SiteName,
  serviceAccount: string,
  namespace: string,
  hours = 4,
): Promise<string> {
  const { sites, programs } = await readLabEnvironment()
  const kubeconfig = siteOf(sites, site).kubeconfig
  const administrator: { clusters: { cluster: { 'certificate-authority-data': string } }[] } = JSON.parse(
    await readFile(kubeconfig, 'utf8'),
  )
  const authority = administrator.clusters[0]?.cluster['certificate-authority-data'] ?? ''
  const create = [
    `--kubeconfig=${kubeconfig}`,
    '-n',
    namespace,
    'create',
    'token',
    serviceAccount,
    `--duration=${hours}h`,
  ]
  const token = (await execute(programs.kubectl, create, { deadline: 15_000 })).trim()
  return kubeconfigOf(site, authority, `${namespace}/${serviceAccount}`, { token })
}

function siteOf(sites: readonly LabSite[], name: SiteName): LabSite {
  const site = sites.find((candidate) => candidate.name === name)
  if (site === undefined)
    throw new Error(
      `lab-unknown-site: the lab has no site ${name}; it has ${sites.map((known) => known.name).join(', ')}`,
    )
  return site
}
