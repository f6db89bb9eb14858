const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * A kubeconfig of the pod's own ServiceAccount. Uses an address, because the names of a booting site do not resolve
 * yet. Uses the token's file in a form that is read again, because Kubernetes renews the token in it (the client would
 * read the plain key `tokenFile` only once).
 */
export function inClusterKubeconfig(
  env: Readonly<Record<string, string | undefined>>,
  account = ACCOUNT,
): string | null {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env
  if (host === undefined) return null
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'guard',
    contexts: [{ name: 'guard', context: { cluster: 'guard', user: 'guard' } }],
    clusters: [{ name: 'guard', cluster: { server, 'certificate-authority': `${account}/ca.crt` } }],
    users: [
      { name: 'guard', user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: `${account}/token` } } } },
    ],
  })
}
