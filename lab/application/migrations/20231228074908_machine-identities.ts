import type { Migration } from '../migration-state.ts'

export const machineIdentities: Migration = {
  name: '20231228074908_machine-identities.mjs',
  up: `
    CREATE TABLE identities (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      name varchar(255) NOT NULL,
      "orgId" uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE identity_universal_auths (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      "clientId" varchar(255) NOT NULL UNIQUE,
      "accessTokenTTL" bigint NOT NULL,
      "accessTokenMaxTTL" bigint NOT NULL,
      "identityId" uuid NOT NULL UNIQUE REFERENCES identities (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE identity_ua_client_secrets (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      description varchar(255) NOT NULL DEFAULT '',
      "clientSecretPrefix" varchar(255) NOT NULL,
      "clientSecretHash" varchar(255) NOT NULL,
      "clientSecretNumUses" bigint NOT NULL DEFAULT 0,
      "clientSecretLastUsedAt" timestamptz,
      "isClientSecretRevoked" boolean NOT NULL DEFAULT false,
      "identityUAId" uuid NOT NULL REFERENCES identity_universal_auths (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE identity_access_tokens (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      "accessTokenTTL" bigint NOT NULL,
      "accessTokenMaxTTL" bigint NOT NULL,
      "isAccessTokenRevoked" boolean NOT NULL DEFAULT false,
      "identityUAClientSecretId" uuid REFERENCES identity_ua_client_secrets (id) ON DELETE CASCADE,
      "identityId" uuid NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );`,
}
