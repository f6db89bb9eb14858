import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Credentials, provisionInstance, putSecret } from './ledger/application-client.ts'

export const CANARY_NAME = 'STANDBY_CANARY'
const CANARY_VALUE = 'sings as long as the key decrypts'

/**
 * Sets the application up once: an administrator, a project, a machine identity, and the canary secret that every move
 * and restore reads back.
 */
export async function ensureCanary(stack: {
  readonly directory: string
  readonly addresses: readonly string[]
}): Promise<Credentials> {
  const path = join(stack.directory, 'canary.json')
  if (existsSync(path)) return JSON.parse(await readFile(path, 'utf8')) as Credentials
  const address = stack.addresses[0]
  if (address === undefined) throw new Error('the stack has no load balancer')
  const credentials = await provisionInstance(address)
  await putSecret(address, credentials, CANARY_NAME, CANARY_VALUE)
  await writeFile(path, JSON.stringify(credentials), { mode: 0o600 })
  return credentials
}

/** The canary's references of the stack file, once it was written. */
export function canaryEnvironment(credentials: Credentials): Record<string, string> {
  return {
    CANARY_CLIENT_ID: credentials.clientId,
    CANARY_CLIENT_SECRET: credentials.clientSecret,
    CANARY_PROJECT_ID: credentials.projectId,
    CANARY_SHA256: createHash('sha256').update(CANARY_VALUE).digest('hex'),
  }
}
