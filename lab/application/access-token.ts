import { createHmac, timingSafeEqual } from 'node:crypto'

export interface TokenClaims {
  readonly identityId: string
  readonly identityAccessTokenId: string
  /** Seconds since 1970; absent: the token does not expire by itself. */
  readonly exp?: number
}

const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url')
const signatureOf = (content: string, secret: string): Buffer => createHmac('sha256', secret).update(content).digest()

/** A JWT (HS256) under AUTH_SECRET: both sites accept it when both have the same secret and the same database. */
export function signToken(claims: TokenClaims, secret: string): string {
  const payload = { ...claims, authTokenType: 'identityAccessToken', iat: Math.floor(Date.now() / 1_000) }
  const content = `${HEADER}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`
  return `${content}.${signatureOf(content, secret).toString('base64url')}`
}

/** The claims of a token that this secret has signed and that has not expired; null otherwise. */
export function verifyToken(token: string, secret: string, now: number): TokenClaims | null {
  const [header, payload, signature] = token.split('.')
  if (header !== HEADER || payload === undefined || signature === undefined) return null
  const expected = signatureOf(`${header}.${payload}`, secret)
  const given = Buffer.from(signature, 'base64url')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as TokenClaims
  return claims.exp !== undefined && claims.exp * 1_000 < now ? null : claims
}
