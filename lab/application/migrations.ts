import type { Migration } from './migration-state.ts'
import { usersAndOrganizations } from './migrations/20231128072457_users-and-organizations.ts'
import { projects } from './migrations/20231212110939_projects.ts'
import { machineIdentities } from './migrations/20231228074908_machine-identities.ts'
import { auditLogs } from './migrations/20240108134148_audit-logs.ts'
import { kms } from './migrations/20240603075514_kms.ts'
import { secretsV2 } from './migrations/20240730181830_secrets-v2.ts'
import { rootKeyLabel } from './migrations/20260302101500_root-key-label.ts'

/** What this image brings, oldest first. */
export const migrations: readonly Migration[] = [
  usersAndOrganizations,
  projects,
  machineIdentities,
  auditLogs,
  kms,
  secretsV2,
  rootKeyLabel,
]
