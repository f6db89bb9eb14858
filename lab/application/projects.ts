import { randomBytes, randomUUID } from 'node:crypto'
import { DatabaseError } from 'pg'
import { badRequest, type Call, field, Refusal, requiredField } from './answer.ts'
import { slugOf } from './bootstrap.ts'
import { decrypt, encrypt } from './cipher.ts'
import type { Database, Query } from './database.ts'
import type { Actor } from './identities.ts'

export interface Keys {
  readonly rootKey: Buffer
  readonly organizationKeys: ReadonlyMap<string, Buffer>
}

const ENVIRONMENTS = [
  { name: 'Development', slug: 'dev' },
  { name: 'Staging', slug: 'staging' },
  { name: 'Production', slug: 'prod' },
] as const

/**
 * `POST /api/v1/projects`: three environments and a data key of its own, wrapped by the root key or by the
 * organization's key.
 */
export async function createProject(call: Call, database: Database, actor: Actor, keys: Keys): Promise<object> {
  const name = requiredField(call, 'projectName')
  const slug = field(call, 'slug') ?? slugOf(name)
  const id = randomUUID()
  try {
    return await database.transaction(async (query) => {
      await query('INSERT INTO projects (id, name, slug, "orgId") VALUES ($1, $2, $3, $4)', [
        id,
        name,
        slug,
        actor.orgId,
      ])
      await createDataKey(query, id, actor, keys)
      const environments = []
      for (const [position, environment] of ENVIRONMENTS.entries()) {
        const [created] = await query<{ id: string }>(
          'INSERT INTO project_environments (name, slug, position, "projectId") VALUES ($1, $2, $3, $4) RETURNING id',
          [environment.name, environment.slug, position + 1, id],
        )
        await query(`INSERT INTO secret_folders (name, "envId") VALUES ('root', $1)`, [created?.id])
        environments.push({ ...environment, id: created?.id })
      }
      return {
        project: { id, _id: id, name, slug, type: 'secret-manager', orgId: actor.orgId, version: 3, environments },
      }
    })
  } catch (error) {
    if (isDuplicate(error)) throw badRequest(`Project with slug '${slug}' already exists`)
    throw error
  }
}

const isDuplicate = (error: unknown): boolean => error instanceof DatabaseError && error.code === '23505'

async function createDataKey(query: Query, projectId: string, actor: Actor, keys: Keys): Promise<void> {
  const wrapping = keys.organizationKeys.get(actor.orgSlug) ?? keys.rootKey
  const [key] = await query<{ id: string }>(
    'INSERT INTO kms_keys (name, "orgId", "projectId") VALUES ($1, $2, $3) RETURNING id',
    [`secret-manager-${projectId}`, actor.orgId, projectId],
  )
  await query('INSERT INTO internal_kms ("encryptedKey", "kmsKeyId") VALUES ($1, $2)', [
    encrypt(randomBytes(32), wrapping),
    key?.id,
  ])
  await query('UPDATE projects SET "kmsSecretManagerKeyId" = $2 WHERE id = $1', [projectId, key?.id])
}

/** Fails when the organization's key is missing or another one: reads and writes of the project both need it. */
export function unwrapDataKey(wrapped: Buffer, orgSlug: string, keys: Keys): Buffer {
  const own = keys.organizationKeys.get(orgSlug)
  const dataKey = (own === undefined ? null : decrypt(wrapped, own)) ?? decrypt(wrapped, keys.rootKey)
  if (dataKey === null)
    throw new Refusal(
      500,
      'InternalServerError',
      `KMS: the data key of organization '${orgSlug}' does not decrypt; compare ORG_ENCRYPTION_KEYS`,
    )
  return dataKey
}
