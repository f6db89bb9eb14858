import { randomBytes, scryptSync } from 'node:crypto'
import { badRequest, type Call, requiredField } from './answer.ts'
import type { Database } from './database.ts'
import { issueToken } from './identities.ts'

/**
 * `POST /api/v1/admin/bootstrap`: the first administrator, organization and machine identity, once in the life of a
 * database.
 */
export async function bootstrap(call: Call, database: Database, authSecret: string): Promise<object> {
  const email = requiredField(call, 'email')
  const password = requiredField(call, 'password')
  const organizationName = requiredField(call, 'organization')
  return database.transaction(async (query) => {
    const claimed = await query(
      'UPDATE super_admin SET initialized = true, "updatedAt" = now() WHERE NOT initialized RETURNING id',
    )
    if (claimed.length === 0) throw badRequest('Instance has already been set up')
    const [user] = await query<{ id: string }>(
      `INSERT INTO users (email, username, "firstName", "superAdmin", "hashedPassword") VALUES ($1, $1, 'Admin', true, $2)
       RETURNING id, email, username, "firstName", "lastName", "superAdmin"`,
      [email, hashedPassword(password)],
    )
    const [organization] = await query<{ id: string; name: string; slug: string }>(
      'INSERT INTO organizations (name, slug) VALUES ($1, $2) RETURNING id, name, slug',
      [organizationName, slugOf(organizationName)],
    )
    const [identity] = await query<{ id: string; name: string }>(
      'INSERT INTO identities (name, "orgId") VALUES ($1, $2) RETURNING id, name',
      ['Instance Admin Identity', organization?.id],
    )
    const token = await issueToken(query, identity?.id ?? '', authSecret, { ttl: 0, clientSecretId: null })
    return {
      message: 'Successfully bootstrapped instance',
      user,
      organization,
      identity: { ...identity, credentials: { token: token.accessToken } },
    }
  })
}

/** `Standby Lab` becomes `standby-lab`; Hanzo KMS looks an organization's own key up by it. */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
}

function hashedPassword(password: string): string {
  const salt = randomBytes(16)
  return `${salt.toString('hex')}:${scryptSync(password, salt, 32).toString('hex')}`
}
