import type { Sandbox } from '../../domain/restore-test.ts'
import type { Component } from '../../domain/stack.ts'
import type { CopyRead } from '../../driver/capabilities.ts'
import type { SandboxSecret } from '../../driver/proofs.ts'
import { siteError } from '../../errors/standby-error.ts'
import type { JsonObject } from '../../values/json.ts'

const PLACEHOLDER = /\$\{([a-z][-a-z0-9]*)\.([a-zA-Z]+)\}/g

/** Reads a key of what a restored copy names as its Secret: the platform of the sandbox says what that is. */
export type ReadSandboxSecret = (name: string, key: string) => Promise<string>

/**
 * A text of the stack file with the restored copies of other components in it: `${database.host}` becomes the field of
 * the endpoint that the component named. What its Secret holds, such as the password, is encoded for a URL. Throws
 * `endpoint-missing`.
 */
export async function withEndpoints(
  value: string,
  component: Pick<Component, 'name'>,
  sandbox: Pick<Sandbox, 'endpointOf'>,
  readSecret: ReadSandboxSecret,
): Promise<string> {
  let text = value
  for (const [whole, name = '', field = ''] of value.matchAll(PLACEHOLDER)) {
    const endpoint = sandbox.endpointOf(name)
    if (endpoint === null)
      throw siteError('endpoint-missing', `${component.name} needs ${whole}, and ${name} was not restored`)
    const found = await fieldOf(endpoint, field, readSecret)
    if (found === null) throw siteError('endpoint-missing', `${name} has no ${field} for ${whole}`)
    text = text.replace(whole, () => found)
  }
  return text
}

async function fieldOf(endpoint: JsonObject, field: string, readSecret: ReadSandboxSecret): Promise<string | null> {
  const { name, keys } = secretOf(endpoint)
  const key = keys[field]
  if (key !== undefined) return encodeURIComponent(await readSecret(name, key))
  const found = endpoint[field]
  return typeof found === 'string' || typeof found === 'number' ? String(found) : null
}

/** Of a RestoreEndpoint; no keys where it names no Secret. */
const secretOf = ({ credentials }: JsonObject): SandboxSecret =>
  (credentials as SandboxSecret | null | undefined) ?? { name: '', keys: {} }

/** The components whose restored copies an environment with placeholders reads. Pure. */
export const copiesIn = (environment: Readonly<Record<string, string>> = {}): CopyRead[] =>
  Object.entries(environment).flatMap(([variable, value]) =>
    [...value.matchAll(PLACEHOLDER)].map(([, of = '']) => ({ of, path: ['restoreTest', 'environment', variable] })),
  )

/** Fields of a restored copy's endpoint, which a restore test fills in. */
const FIELDS = ['host', 'port', 'user', 'password', 'database'] as const

/** What is wrong with the placeholders of a text. Pure. */
export function placeholderProblems(
  value: string,
  { needs }: Pick<Component, 'needs'>,
  names: readonly string[],
): string[] {
  return [...value.matchAll(/\$\{([^}]*)\}?/g)].flatMap(([whole, inside = '']): string[] => {
    const [name = '', field = '', ...more] = inside.split('.')
    if (more.length > 0 || field === '' || !whole.endsWith('}'))
      return [`${whole} is no placeholder: it must read \${component.field}, with a field of ${FIELDS.join(', ')}`]
    if (!names.includes(name)) return [`${whole}: no component ${name} is declared; there are ${names.join(', ')}`]
    if (!needs.includes(name)) return [`${whole}: ${name} belongs in needs, so that it is restored first`]
    return FIELDS.includes(field as never)
      ? []
      : [`${whole}: a restored component has no ${field}; there are ${FIELDS.join(', ')}`]
  })
}
