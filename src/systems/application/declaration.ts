import type { SpecProblem } from '../../domain/declaration.ts'
import type { CredentialUse } from '../../domain/identities.ts'
import type { CredentialReference, Stack } from '../../domain/stack.ts'
import { credentialReference, text } from '../../schema/parts.ts'
import type { JsonObject } from '../../values/json.ts'

/** What an application declares of itself in a stack file, whatever runs it. */
export interface ProvedSpec {
  readonly identity?: DeclaredIdentity
  readonly canary?: DeclaredCanary
}
/** SQL that names the instance behind the application, and its migrations. */
export interface DeclaredIdentity {
  readonly database: string
  readonly query: string
  readonly migrations?: string
}
/** A secret that was written once. A driver adds where the application is asked for it. */
export interface DeclaredCanary {
  readonly kind: 'infisical-secret'
  readonly credentials: { readonly clientId: CredentialReference; readonly clientSecret: CredentialReference }
  readonly project: CredentialReference
  readonly environment: string
  readonly name: string
  readonly sha256: CredentialReference
}

export const identitySchema: JsonObject = {
  description:
    'What must be true of the data behind the application: health proves little, an empty database is green.',
  type: 'object',
  required: ['database', 'query'],
  additionalProperties: false,
  properties: {
    database: text('The database component that is asked.'),
    query: text('SQL whose answer names this instance: the same on every site, and not empty.'),
    migrations: text('SQL that lists the applied migrations.'),
  },
}

/** `more`: what a driver needs to know beside it, all of it required. */
export const canarySchema = (more: Readonly<Record<string, JsonObject>> = {}): JsonObject => ({
  description:
    'A secret that is written once and read back after every move and restore: it proves that the key decrypts.',
  type: 'object',
  required: ['kind', 'credentials', 'project', 'environment', 'name', 'sha256', ...Object.keys(more)],
  additionalProperties: false,
  properties: {
    kind: {
      description: 'How the secret is read: infisical-secret asks the API of Infisical.',
      enum: ['infisical-secret'],
    },
    credentials: {
      description: 'A machine identity (universal auth) that may read just this secret.',
      type: 'object',
      required: ['clientId', 'clientSecret'],
      additionalProperties: false,
      properties: { clientId: credentialReference, clientSecret: credentialReference },
    },
    project: credentialReference,
    environment: text('Slug of the environment.', { pattern: '^[A-Za-z0-9][-A-Za-z0-9_]*$' }),
    name: text('Name of the secret.', { pattern: '^(?![.]+$)[^\\s/]+$' }),
    sha256: { ...credentialReference, description: 'SHA-256 (hex) of its value, as a reference.' },
    ...more,
  },
})

/** A database that no component is. Pure. */
export function identityProblems({ identity }: ProvedSpec, { components }: Stack): SpecProblem[] {
  const names = components.map(({ name }) => name)
  return identity === undefined || names.includes(identity.database)
    ? []
    : [{ path: ['identity', 'database'], what: `no component ${identity.database} is declared`, candidates: names }]
}

/** A move and a restore test read the canary; an identity that only observes names it where it can. Pure. */
export function canaryUses({ canary }: ProvedSpec): CredentialUse[] {
  if (canary === undefined) return []
  const because = 'reads the canary secret of the application'
  return referencesOf(canary).flatMap((reference): CredentialUse[] => [
    { reference, identities: ['mover', 'restore-tester'], because },
    { reference, identities: ['observer', 'deployer'], because, optional: true },
  ])
}

/** Client id, client secret, project, hash: in this order. */
export const referencesOf = ({
  credentials: { clientId, clientSecret },
  project,
  sha256,
}: DeclaredCanary): readonly CredentialReference[] => [clientId, clientSecret, project, sha256]
