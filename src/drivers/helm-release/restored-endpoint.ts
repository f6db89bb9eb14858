import type { Sandbox } from '../../domain/restore-test.ts'
import type { DriverContext } from '../../driver/context.ts'
import type { SandboxSecret } from '../../driver/proofs.ts'
import { siteError } from '../../errors/standby-error.ts'
import type { JsonObject } from '../../values/json.ts'
import type { Application } from './spec.ts'

/**
 * A text of the stack file with the restored copies of other components in it: `${database.host}` becomes the field of
 * the endpoint that the component named. What its Secret holds, such as the password, is encoded for a URL. Throws
 * `endpoint-missing`.
 */
export async function withRestoredEndpoints(
  value: string,
  component: Application,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<string> {
  let text = value
  for (const [whole, name = '', field = ''] of value.matchAll(/\$\{([a-z][-a-z0-9]*)\.([a-zA-Z]+)\}/g)) {
    const endpoint = sandbox.endpointOf(name)
    if (endpoint === null)
      throw siteError('endpoint-missing', `${component.name} needs ${whole}, and ${name} was not restored`)
    const found = await fieldOf(endpoint, field, sandbox, context)
    if (found === null) throw siteError('endpoint-missing', `${name} has no ${field} for ${whole}`)
    text = text.replace(whole, () => found)
  }
  return text
}

async function fieldOf(
  endpoint: JsonObject,
  field: string,
  sandbox: Sandbox,
  context: DriverContext,
): Promise<string | null> {
  const { name, keys } = secretOf(endpoint)
  const key = keys[field]
  if (key !== undefined) {
    const secret = { namespace: sandbox.namespace, name, key }
    return encodeURIComponent(await context.credential({ secret }, sandbox.site))
  }
  const found = endpoint[field]
  return typeof found === 'string' || typeof found === 'number' ? String(found) : null
}

/** Of a RestoreEndpoint; no keys where it names no Secret. */
const secretOf = ({ credentials }: JsonObject): SandboxSecret =>
  (credentials as SandboxSecret | null | undefined) ?? { name: '', keys: {} }
