import type { KubernetesClient } from '../../clients/kubernetes-client.ts'
import type { PlatformKey } from '../../driver/platform-key.ts'

/** What a driver asks its context for to reach the API server of a site: `context.platform(KUBERNETES, site)`. */
export const KUBERNETES: PlatformKey<KubernetesClient> = { platform: 'kubernetes' }
