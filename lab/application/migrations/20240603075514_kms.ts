import type { Migration } from '../migration-state.ts'

export const kms: Migration = {
  name: '20240603075514_kms.mjs',
  up: `
    CREATE TABLE kms_root_config (
      id uuid PRIMARY KEY,
      "encryptedRootKey" bytea NOT NULL,
      "encryptionStrategy" varchar(255) NOT NULL DEFAULT 'SOFTWARE',
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE kms_keys (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      name varchar(255) NOT NULL,
      description varchar(255),
      "isDisabled" boolean NOT NULL DEFAULT false,
      "isReserved" boolean NOT NULL DEFAULT true,
      "orgId" uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
      "projectId" varchar(36) REFERENCES projects (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE internal_kms (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      "encryptedKey" bytea NOT NULL,
      "encryptionAlgorithm" varchar(255) NOT NULL DEFAULT 'aes-256-gcm',
      version integer NOT NULL DEFAULT 1,
      "kmsKeyId" uuid NOT NULL UNIQUE REFERENCES kms_keys (id) ON DELETE CASCADE
    );
    ALTER TABLE projects ADD COLUMN "kmsSecretManagerKeyId" uuid REFERENCES kms_keys (id);`,
}
