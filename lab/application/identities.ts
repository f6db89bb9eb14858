import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { signToken, verifyToken } from './access-token.ts'
import { type Call, field, notFound, requiredField, unauthorized } from './answer.ts'
import type { Database, Query } from './database.ts'

/** Upstream's default: 30 days. */
export const DEFAULT_TTL_S = 2_592_000

/** Who asks, proven by a token that is still in the database. */
export interface Actor {
  readonly identityId: string
  readonly identityName: string
  readonly orgId: string
  readonly orgSlug: string
}

export interface AccessToken {
  readonly accessToken: string
  readonly expiresIn: number
  readonly accessTokenMaxTTL: number
  readonly tokenType: 'Bearer'
}

/** A client secret is 256 random bits: a plain hash cannot be searched, and a login stays quick. */
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** The actor of a request; 401 when the token is foreign, expired, revoked or unknown to this database. */
export async function authenticate(call: Call, database: Database, authSecret: string): Promise<Actor> {
  const [scheme, token] = (call.request.headers.authorization ?? '').split(' ')
  if (scheme?.toLowerCase() !== 'bearer' || token === undefined) throw unauthorized('Token missing')
  const claims = verifyToken(token, authSecret, Date.now())
  if (claims === null) throw unauthorized('Invalid token')
  const [actor] = await database.query<{ identityId: string; identityName: string; orgId: string; orgSlug: string }>(
    `SELECT i.id AS "identityId", i.name AS "identityName", o.id AS "orgId", o.slug AS "orgSlug"
       FROM identity_access_tokens t JOIN identities i ON i.id = t."identityId" JOIN organizations o ON o.id = i."orgId"
      WHERE t.id = $1 AND NOT t."isAccessTokenRevoked"`,
    [claims.identityAccessTokenId],
  )
  if (actor === undefined) throw unauthorized('Failed to authorize revoked or unknown access token')
  return actor
}

/** `POST /api/v1/auth/universal-auth/login`: writes the token's row, so it fails on a database that only follows. */
export async function logIn(call: Call, database: Database, authSecret: string): Promise<AccessToken> {
  const clientId = requiredField(call, 'clientId')
  const clientSecret = requiredField(call, 'clientSecret')
  const [found] = await database.query<{ id: string; hash: string; identityId: string; ttl: string }>(
    `SELECT s.id, s."clientSecretHash" AS hash, u."identityId", u."accessTokenTTL" AS ttl
       FROM identity_universal_auths u JOIN identity_ua_client_secrets s ON s."identityUAId" = u.id
      WHERE u."clientId" = $1 AND s."clientSecretPrefix" = $2 AND NOT s."isClientSecretRevoked"`,
    [clientId, clientSecret.slice(0, 4)],
  )
  const given = Buffer.from(hashOf(clientSecret))
  if (found === undefined || !timingSafeEqual(Buffer.from(found.hash), given)) throw unauthorized('Invalid credentials')
  return issueToken(database.query, found.identityId, authSecret, { ttl: Number(found.ttl), clientSecretId: found.id })
}

export async function issueToken(
  query: Query,
  identityId: string,
  authSecret: string,
  { ttl, clientSecretId }: { readonly ttl: number; readonly clientSecretId: string | null },
): Promise<AccessToken> {
  const id = randomUUID()
  // One statement: the token and the use that it counts are there together or not at all.
  await query(
    `WITH used AS (
       UPDATE identity_ua_client_secrets
          SET "clientSecretNumUses" = "clientSecretNumUses" + 1, "clientSecretLastUsedAt" = now()
        WHERE id = $4)
     INSERT INTO identity_access_tokens (id, "identityId", "accessTokenTTL", "accessTokenMaxTTL", "identityUAClientSecretId")
     VALUES ($1, $2, $3, $3, $4)`,
    [id, identityId, ttl, clientSecretId],
  )
  const expiry = ttl === 0 ? {} : { exp: Math.floor(Date.now() / 1_000) + ttl }
  return {
    accessToken: signToken({ identityId, identityAccessTokenId: id, ...expiry }, authSecret),
    expiresIn: ttl,
    accessTokenMaxTTL: ttl,
    tokenType: 'Bearer',
  }
}

/** `POST /api/v1/auth/universal-auth/identities/:identityId`. */
export async function attachUniversalAuth(call: Call, database: Database, actor: Actor): Promise<object> {
  const identityId = await ownIdentity(call, database, actor)
  const ttl = Number(field(call, 'accessTokenTTL') ?? call.body.accessTokenTTL ?? DEFAULT_TTL_S)
  const [created] = await database.query<{ id: string; clientId: string }>(
    `INSERT INTO identity_universal_auths ("clientId", "identityId", "accessTokenTTL", "accessTokenMaxTTL") VALUES ($1, $2, $3, $3)
     ON CONFLICT ("identityId") DO UPDATE SET "accessTokenTTL" = excluded."accessTokenTTL", "updatedAt" = now()
     RETURNING id, "clientId"`,
    [randomUUID(), identityId, ttl],
  )
  return { identityUniversalAuth: { ...created, identityId, accessTokenTTL: ttl, accessTokenMaxTTL: ttl } }
}

/** `POST /api/v1/auth/universal-auth/identities/:identityId/client-secrets`: the only time that the secret is shown. */
export async function createClientSecret(call: Call, database: Database, actor: Actor): Promise<object> {
  const identityId = await ownIdentity(call, database, actor)
  const clientSecret = randomBytes(32).toString('hex')
  const [clientSecretData] = await database.query(
    `INSERT INTO identity_ua_client_secrets (description, "clientSecretPrefix", "clientSecretHash", "identityUAId")
     SELECT $2, $3, $4, id FROM identity_universal_auths WHERE "identityId" = $1
     RETURNING id, description, "clientSecretPrefix", "isClientSecretRevoked", "createdAt"`,
    [identityId, field(call, 'description') ?? '', clientSecret.slice(0, 4), hashOf(clientSecret)],
  )
  if (clientSecretData === undefined)
    throw notFound(`The identity with ID ${identityId} does not have universal auth attached`)
  return { clientSecret, clientSecretData }
}

async function ownIdentity(call: Call, database: Database, actor: Actor): Promise<string> {
  const identityId = call.parameters.identityId ?? ''
  const [identity] = await database.query<{ id: string }>(
    'SELECT id FROM identities WHERE id::text = $1 AND "orgId" = $2',
    [identityId, actor.orgId],
  )
  if (identity === undefined) throw notFound(`Failed to find identity with ID ${identityId}`)
  return identity.id
}
