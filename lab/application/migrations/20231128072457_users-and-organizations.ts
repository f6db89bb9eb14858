import type { Migration } from '../migration-state.ts'

export const usersAndOrganizations: Migration = {
  name: '20231128072457_users-and-organizations.mjs',
  up: `
    CREATE TABLE users (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      email varchar(255),
      username varchar(255) NOT NULL UNIQUE,
      "firstName" varchar(255),
      "lastName" varchar(255),
      "superAdmin" boolean NOT NULL DEFAULT false,
      "hashedPassword" text,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE organizations (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      name varchar(255) NOT NULL,
      slug varchar(255) NOT NULL UNIQUE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE super_admin (
      id uuid PRIMARY KEY,
      initialized boolean NOT NULL DEFAULT false,
      "allowSignUp" boolean NOT NULL DEFAULT true,
      "instanceId" uuid NOT NULL DEFAULT gen_random_uuid(),
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );`,
}
