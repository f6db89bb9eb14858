import type { SiteName, Stack } from '../../domain/stack.ts'
import { quoted } from '../../driver/manual.ts'
import { contextByHand } from './declared-cluster.ts'

/** The context of a site in the kubeconfig of the reader: the declared one, or the name of the site. */
export function kubeContext(stack: Stack, site: SiteName | string): string {
  const declared = stack.sites.find(({ name }) => name === site)
  return declared === undefined ? site : contextByHand(declared)
}

/** kubectl for a site, as a person types it. */
const kubectlAt = (stack: Stack, site: SiteName | string): string =>
  `kubectl --context ${quoted(kubeContext(stack, site))}`

/** The same, in one namespace. */
export const kubectl = (stack: Stack, site: SiteName | string, namespace: string): string =>
  `${kubectlAt(stack, site)} -n ${quoted(namespace)}`
