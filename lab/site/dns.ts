import type { ImageNames } from '../images/catalogue.ts'
import { rangesOf, type SiteName } from '../topology.ts'
import { apply, type Kubectl } from './kubectl.ts'

/** Cluster DNS: names of Services and nothing else; the lab has no name servers above it. */
export function provideDns(site: SiteName, images: ImageNames, kubectl: Kubectl): Promise<string> {
  const corefile = '.:53 {\n  errors\n  ready\n  kubernetes cluster.local\n  cache 5\n}\n'
  const metadata = { name: 'coredns', namespace: 'kube-system' }
  const readable = [
    { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  ]
  const rbac = 'rbac.authorization.k8s.io'
  return apply(kubectl, [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: 'coredns' }, rules: readable },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: 'coredns' },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'coredns' },
      subjects: [{ kind: 'ServiceAccount', ...metadata }],
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { Corefile: corefile } },
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: deployment(images.coredns) },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      spec: {
        clusterIP: rangesOf(site).dnsService,
        selector: { app: 'coredns' },
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
  ])
}

function deployment(image: string) {
  const container = {
    name: 'coredns',
    image,
    imagePullPolicy: 'IfNotPresent',
    args: ['-conf', '/etc/coredns/Corefile'],
    volumeMounts: [{ name: 'config', mountPath: '/etc/coredns' }],
    readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
  }
  const pod = {
    serviceAccountName: 'coredns',
    dnsPolicy: 'Default',
    containers: [container],
    volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
  }
  return {
    replicas: 1,
    selector: { matchLabels: { app: 'coredns' } },
    template: { metadata: { labels: { app: 'coredns' } }, spec: pod },
  }
}
