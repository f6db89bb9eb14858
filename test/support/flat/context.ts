import type { KubernetesClient } from '../../../src/clients/kubernetes-client.ts'
import type { SiteName } from '../../../src/domain/stack.ts'
import type { DriverContext } from '../../../src/driver/context.ts'

/** The context of a driver, in which a test may give clusters alone in place of all platforms. */
export type FlatContext = DriverContext & { kubernetes?(site: SiteName): KubernetesClient }
