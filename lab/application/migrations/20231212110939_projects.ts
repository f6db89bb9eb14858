import type { Migration } from '../migration-state.ts'

export const projects: Migration = {
  name: '20231212110939_projects.mjs',
  up: `
    CREATE TABLE projects (
      id varchar(36) PRIMARY KEY,
      name varchar(255) NOT NULL,
      slug varchar(255) NOT NULL,
      type varchar(255) NOT NULL DEFAULT 'secret-manager',
      "orgId" uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now(),
      UNIQUE ("orgId", slug)
    );
    CREATE TABLE project_environments (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      name varchar(255) NOT NULL,
      slug varchar(255) NOT NULL,
      position integer NOT NULL,
      "projectId" varchar(36) NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now(),
      UNIQUE ("projectId", slug)
    );
    CREATE TABLE secret_folders (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      name varchar(255) NOT NULL,
      version integer DEFAULT 1,
      "envId" uuid NOT NULL REFERENCES project_environments (id) ON DELETE CASCADE,
      "parentId" uuid REFERENCES secret_folders (id) ON DELETE CASCADE,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON secret_folders ("envId");`,
}
