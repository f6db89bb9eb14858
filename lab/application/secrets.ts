import { randomUUID } from 'node:crypto'
import { badRequest, type Call, field, notFound, requiredField } from './answer.ts'
import { decrypt, encrypt } from './cipher.ts'
import type { Database } from './database.ts'
import type { Actor } from './identities.ts'
import { type Keys, unwrapDataKey } from './projects.ts'

interface Folder {
  readonly projectId: string
  readonly environment: string
  readonly folderId: string
  readonly envId: string
  readonly dataKey: Buffer
}

interface SecretRow {
  readonly id: string
  readonly version: number
  readonly type: string
  readonly key: string
  readonly encryptedValue: Buffer
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface SecretsRequest {
  readonly call: Call
  readonly database: Database
  readonly actor: Actor
  readonly keys: Keys
}

/** What was written, for the audit log. */
export interface Written {
  readonly answer: object
  readonly eventType: string
  readonly projectId: string
  readonly eventMetadata: Readonly<Record<string, unknown>>
}

const COLUMNS = 'id, version, type, key, "encryptedValue", "createdAt", "updatedAt"'

/** All secrets of a folder, as upstream without pages. */
export async function listSecrets(request: SecretsRequest): Promise<object> {
  const folder = await openFolder(request)
  const rows = await request.database.query<SecretRow>(
    `SELECT ${COLUMNS} FROM secrets_v2 WHERE "folderId" = $1 ORDER BY key`,
    [folder.folderId],
  )
  const hidden = field(request.call, 'viewSecretValue') === 'false'
  return { secrets: rows.map((row) => shown(row, folder, hidden)), imports: [] }
}

export async function readSecret(request: SecretsRequest): Promise<object> {
  const folder = await openFolder(request)
  const name = secretName(request)
  const [row] = await request.database.query<SecretRow>(
    `SELECT ${COLUMNS} FROM secrets_v2 WHERE "folderId" = $1 AND key = $2`,
    [folder.folderId, name],
  )
  if (row === undefined) throw notFound(`Secret with name '${name}' not found`)
  return { secret: shown(row, folder, field(request.call, 'viewSecretValue') === 'false') }
}

/** One statement, so that it is there whole or not at all, and one commit decides it. */
export async function createSecret(request: SecretsRequest): Promise<Written> {
  const folder = await openFolder(request)
  const name = secretName(request)
  const value = encrypt(Buffer.from(String(request.call.body.secretValue ?? '')), folder.dataKey)
  const [row] = await request.database.query<SecretRow>(
    `WITH secret AS (
       INSERT INTO secrets_v2 (id, key, "encryptedValue", "folderId") VALUES ($1, $2, $3, $4)
       ON CONFLICT ("folderId", key) DO NOTHING RETURNING ${COLUMNS}),
     version AS (
       INSERT INTO secret_versions_v2 (version, key, "encryptedValue", "secretId", "folderId", "envId")
       SELECT version, key, "encryptedValue", id, $4, $5 FROM secret)
     SELECT ${COLUMNS} FROM secret`,
    [randomUUID(), name, value, folder.folderId, folder.envId],
  )
  if (row === undefined) throw badRequest('Secret already exist')
  return written(row, folder, 'create-secret')
}

export async function updateSecret(request: SecretsRequest): Promise<Written> {
  const folder = await openFolder(request)
  const name = secretName(request)
  const value = encrypt(Buffer.from(String(request.call.body.secretValue ?? '')), folder.dataKey)
  const [row] = await request.database.query<SecretRow>(
    `WITH secret AS (
       UPDATE secrets_v2 SET "encryptedValue" = $2, version = version + 1, "updatedAt" = now()
        WHERE "folderId" = $3 AND key = $1 RETURNING ${COLUMNS}),
     version AS (
       INSERT INTO secret_versions_v2 (version, key, "encryptedValue", "secretId", "folderId", "envId")
       SELECT version, key, "encryptedValue", id, $3, $4 FROM secret)
     SELECT ${COLUMNS} FROM secret`,
    [name, value, folder.folderId, folder.envId],
  )
  if (row === undefined) throw notFound(`Secret with name '${name}' not found`)
  return written(row, folder, 'update-secret')
}

export async function deleteSecret(request: SecretsRequest): Promise<Written> {
  const folder = await openFolder(request)
  const name = secretName(request)
  const [row] = await request.database.query<SecretRow>(
    `DELETE FROM secrets_v2 WHERE "folderId" = $1 AND key = $2 RETURNING ${COLUMNS}`,
    [folder.folderId, name],
  )
  if (row === undefined) throw notFound(`Secret with name '${name}' not found`)
  return written(row, folder, 'delete-secret')
}

const secretName = ({ call }: SecretsRequest): string => call.parameters.name ?? ''

async function openFolder({ call, database, actor, keys }: SecretsRequest): Promise<Folder> {
  const projectId = requiredField(call, 'projectId', 'workspaceId')
  const environment = requiredField(call, 'environment')
  const path = field(call, 'secretPath') ?? '/'
  const [found] = await database.query<{ folderId: string; envId: string; encryptedKey: Buffer }>(
    `SELECT f.id AS "folderId", e.id AS "envId", k."encryptedKey"
       FROM projects p
       JOIN project_environments e ON e."projectId" = p.id AND e.slug = $2
       JOIN secret_folders f ON f."envId" = e.id AND f."parentId" IS NULL
       JOIN internal_kms k ON k."kmsKeyId" = p."kmsSecretManagerKeyId"
      WHERE p.id = $1 AND p."orgId" = $3`,
    [projectId, environment, actor.orgId],
  )
  if (found === undefined) throw notFound(`Environment '${environment}' of project '${projectId}' not found`)
  if (path !== '/') throw notFound(`Folder with path '${path}' in environment with slug '${environment}' not found`)
  return { ...found, projectId, environment, dataKey: unwrapDataKey(found.encryptedKey, actor.orgSlug, keys) }
}

const HIDDEN = '<hidden-by-infisical>'

function shown(row: SecretRow, folder: Folder, hidden: boolean): object {
  const { id, version, type, key, createdAt, updatedAt } = row
  const where = { workspace: folder.projectId, environment: folder.environment, secretPath: '/' }
  const value = { secretValue: hidden ? HIDDEN : plainValue(row, folder), secretValueHidden: hidden }
  return { id, _id: id, ...where, version, type, secretKey: key, ...value, secretComment: '', createdAt, updatedAt }
}

function plainValue(row: SecretRow, folder: Folder): string {
  const plain = decrypt(row.encryptedValue, folder.dataKey)
  if (plain === null) throw new Error(`secret ${row.id} does not decrypt with the data key of its project`)
  return plain.toString('utf8')
}

const written = (row: SecretRow, folder: Folder, eventType: string): Written => ({
  answer: { secret: shown(row, folder, false) },
  eventType,
  projectId: folder.projectId,
  eventMetadata: {
    environment: folder.environment,
    secretPath: '/',
    secretId: row.id,
    secretKey: row.key,
    secretVersion: row.version,
  },
})
