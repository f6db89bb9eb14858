import type { Migration } from '../migration-state.ts'

export const rootKeyLabel: Migration = {
  name: '20260302101500_root-key-label.mjs',
  up: `ALTER TABLE kms_root_config ADD COLUMN "keyLabel" varchar(255);`,
}
