/** A kubeconfig with one context `test`; `user` and `cluster` are lines of YAML. */
export function kubeconfigOf(of: {
  readonly url: string
  readonly user?: string
  readonly caData?: string
  readonly cluster?: string
}): string {
  const trust = of.caData === undefined ? '' : `\n    certificate-authority-data: ${of.caData}`
  return `apiVersion: v1
kind: Config
current-context: test
contexts:
- name: test
  context: { cluster: test, user: test }
clusters:
- name: test
  cluster:
    server: ${of.url}${trust}${of.cluster === undefined ? '' : `\n    ${of.cluster}`}
users:
- name: test
  user:
    ${of.user ?? 'token: some-token'}
`
}
