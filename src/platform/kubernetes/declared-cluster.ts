import type { CredentialReference, Site } from '../../domain/stack.ts'
import { credentialReference, text } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'

/** `sites.<name>.kubernetes` of the stack file. */
export interface DeclaredCluster {
  /** Content of a kubeconfig, or the path of one. */
  readonly kubeconfig: CredentialReference
  readonly context?: string
  /** UID of the namespace kube-system: the guard against the wrong cluster. */
  readonly clusterId: string
}

/** The cluster that a site declares; undefined where it has none. */
export const declaredCluster = (site: Site | undefined): DeclaredCluster | undefined =>
  site?.platforms.kubernetes as unknown as DeclaredCluster | undefined

/** The name of its context in the kubeconfig of a person; without a declared one, the name of the site. */
export const contextByHand = (site: Site): string => declaredCluster(site)?.context ?? site.name

export const clusterSchema: JsonObject = {
  description: 'The Kubernetes cluster of this site, and how it is reached.',
  type: 'object',
  required: ['kubeconfig', 'clusterId'],
  additionalProperties: false,
  properties: {
    kubeconfig: {
      ...credentialReference,
      description: 'Content of a kubeconfig, or the path of one; as a reference: { env: NAME } or { file: path }.',
    },
    context: text('The context of the kubeconfig; its current one when absent.'),
    clusterId: text(
      'UID of the namespace kube-system: kubectl get namespace kube-system -o jsonpath={.metadata.uid}. Guards against the wrong cluster.',
      { pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' },
    ),
  },
}
