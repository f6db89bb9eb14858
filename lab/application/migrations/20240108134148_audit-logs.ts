import type { Migration } from '../migration-state.ts'

export const auditLogs: Migration = {
  name: '20240108134148_audit-logs.mjs',
  up: `
    CREATE TABLE audit_logs (
      id uuid PRIMARY KEY,
      actor varchar(255) NOT NULL,
      "actorMetadata" jsonb NOT NULL,
      "ipAddress" varchar(255),
      "eventType" varchar(255) NOT NULL,
      "eventMetadata" jsonb,
      "orgId" uuid,
      "projectId" varchar(36),
      "createdAt" timestamptz NOT NULL,
      "updatedAt" timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON audit_logs ("createdAt");`,
}
