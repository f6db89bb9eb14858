import type { Migration } from '../migration-state.ts'

export const secretsV2: Migration = {
  name: '20240730181830_secrets-v2.mjs',
  up: `
    CREATE TABLE secrets_v2 (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      version integer NOT NULL DEFAULT 1,
      type varchar(255) NOT NULL DEFAULT 'shared',
      key varchar(500) NOT NULL,
      "encryptedValue" bytea NOT NULL,
      "folderId" uuid NOT NULL REFERENCES secret_folders (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now(),
      UNIQUE ("folderId", key)
    );
    CREATE TABLE secret_versions_v2 (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      version integer NOT NULL,
      type varchar(255) NOT NULL DEFAULT 'shared',
      key varchar(500) NOT NULL,
      "encryptedValue" bytea NOT NULL,
      "secretId" uuid NOT NULL,
      "folderId" uuid NOT NULL,
      "envId" uuid NOT NULL,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON secret_versions_v2 ("secretId");`,
}
