import type { Sandbox } from '../../domain/restore-test.ts'
import type { DriverContext } from '../../driver/context.ts'
import { withEndpoints } from '../../systems/application/restored-endpoint.ts'
import type { Application } from './spec.ts'

/**
 * A text of the stack file with the restored copies of other components in it, and with their Secrets of the sandbox.
 * Throws `endpoint-missing`.
 */
export const withRestoredEndpoints = (
  value: string,
  component: Application,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<string> =>
  withEndpoints(value, component, sandbox, (name, key) =>
    context.credential({ secret: { namespace: sandbox.namespace, name, key } }, sandbox.site),
  )
