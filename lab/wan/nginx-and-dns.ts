import { existsSync } from 'node:fs'
import type { LabNginxAndDns } from '../environment.ts'
import { ensureNginxTree } from '../images/nginx-tree.ts'
import { ensureLogin, knowHosts } from '../login.ts'
import { ensureNamespace } from '../network/host-namespace.ts'
import type { Progress } from '../progress.ts'
import { installPackages } from '../requirements.ts'
import { loadBalancerNames, nginxNames, type SiteName } from '../topology.ts'
import { describeDns, dnsPrograms, startDns } from './dns.ts'
import { describeNginxHost, startNginxHost } from './nginx-host.ts'

/**
 * Adds two NGINX hosts and a DNS server to the wide area network of a lab of Kubernetes whose load balancers run;
 * returns what tests need to know of them.
 */
export async function startNginxAndDns(
  sites: readonly SiteName[],
  progress: Progress,
  signal: AbortSignal,
): Promise<LabNginxAndDns> {
  const missing = Object.entries(dnsPrograms).flatMap(([path, name]) => (existsSync(path) ? [] : [name]))
  if (missing.length > 0) await installPackages([...new Set(missing)], () => undefined, signal)
  const tree = await ensureNginxTree(progress, signal)
  await progress.step('NGINX and DNS', async () => {
    await ensureLogin()
    await Promise.all([...nginxNames, 'dns' as const].map(ensureNamespace))
    await Promise.all([...nginxNames.map((name) => startNginxHost(name, tree, signal)), startDns(signal)])
    await knowHosts([...loadBalancerNames, ...nginxNames])
  })
  return { nginx: nginxNames.map(describeNginxHost), dns: await describeDns(sites) }
}
