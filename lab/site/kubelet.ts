import { mkdir } from 'node:fs/promises'
import type { Binaries } from '../binaries/build.ts'
import { podsGroupOf } from '../cgroup.ts'
import { ensureDaemon, entryTo } from '../inside.ts'
import { addressOf, rangesOf, type SiteName, stateOf } from '../topology.ts'
import { writeIfChanged } from '../write-if-changed.ts'
import { socketOf } from './containerd.ts'
import { pkiOf } from './pki.ts'

/** Starts the site's one node: kubelet and kube-proxy. */
export async function startNode(site: SiteName, binaries: Binaries): Promise<void> {
  await mkdir(stateOf(site, 'kubelet'), { recursive: true })
  await writeIfChanged(stateOf(site, 'resolv.conf'), 'nameserver 127.0.0.1\n')
  await writeIfChanged(stateOf(site, 'kubelet.json'), JSON.stringify(kubeletConfiguration(site), null, 2))
  await writeIfChanged(stateOf(site, 'proxy.json'), JSON.stringify(proxyConfiguration(site), null, 2))
  const kubelet = [
    binaries.kubelet,
    `--config=${stateOf(site, 'kubelet.json')}`,
    `--kubeconfig=${pkiOf(site, 'kubelet.kubeconfig')}`,
    `--root-dir=${stateOf(site, 'kubelet')}`,
    `--hostname-override=${site}`,
    `--node-ip=${addressOf[site]}`,
    `--cert-dir=${stateOf(site, 'kubelet', 'pki')}`,
  ]
  await ensureDaemon({ group: site, name: 'kubelet', command: [...entryTo(site), ...kubelet] })
  const proxy = [binaries['kube-proxy'], `--config=${stateOf(site, 'proxy.json')}`]
  await ensureDaemon({ group: site, name: 'kube-proxy', command: [...entryTo(site), ...proxy] })
}

function kubeletConfiguration(site: SiteName) {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      x509: { clientCAFile: pkiOf(site, 'ca.crt') },
      webhook: { enabled: true },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pkiOf(site, 'kubelet.crt'),
    tlsPrivateKeyFile: pkiOf(site, 'kubelet.key'),
    // Every pod lands below cgroupRoot, where an outage finds it; without quality-of-service groups the kubelet would
    // ignore the root.
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: true,
    failCgroupV1: false,
    cgroupRoot: podsGroupOf(site),
    enforceNodeAllocatable: [],
    failSwapOn: false,
    containerRuntimeEndpoint: `unix://${socketOf(site)}`,
    resolvConf: stateOf(site, 'resolv.conf'),
    clusterDNS: [rangesOf(site).dnsService],
    clusterDomain: 'cluster.local',
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '1%',
    },
    imageGCHighThresholdPercent: 99,
    imageGCLowThresholdPercent: 98,
    podLogsDir: stateOf(site, 'podlogs'),
    volumePluginDir: stateOf(site, 'volume-plugins'),
    syncFrequency: '10s',
    serializeImagePulls: false,
    maxPods: 110,
  }
}

function proxyConfiguration(site: SiteName) {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    // As docs/drivers/helm-release.md advises; 0 would be the default of a second.
    iptables: { minSyncPeriod: '100ms' },
    clusterCIDR: rangesOf(site).pods,
    clientConnection: { kubeconfig: pkiOf(site, 'proxy.kubeconfig') },
    // 0 leaves the machine's own limits alone.
    conntrack: { maxPerCore: 0 },
    hostnameOverride: site,
  }
}
