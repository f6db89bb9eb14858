import { randomBytes } from 'node:crypto'
import { BootRefused } from './boot-refused.ts'
import { decrypt, encrypt, labelOf } from './cipher.ts'
import type { Database } from './database.ts'
import { log } from './log.ts'

const ROOT_CONFIG_ID = '00000000-0000-0000-0000-000000000000'

interface RootConfig {
  readonly encryptedRootKey: Buffer
  readonly keyLabel: string | null
}

/**
 * Before anything is written: refuses when the key of this environment is not the one that the database was written
 * with.
 */
export async function tryRootKey(database: Database, environmentKey: Buffer): Promise<void> {
  const [table] = await database.query<{ present: boolean; labelled: boolean }>(
    `SELECT to_regclass('kms_root_config') IS NOT NULL AS present,
            EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('kms_root_config') AND attname = 'keyLabel') AS labelled`,
  )
  if (table?.present !== true) return
  const config = await readRootConfig(database, table.labelled)
  if (config !== null) decryptedRootKey(config, environmentKey)
}

/** The key that wraps all data keys; made on the first boot of an empty database. */
export async function openRootKey(database: Database, environmentKey: Buffer): Promise<Buffer> {
  const existing = await readRootConfig(database, true)
  if (existing !== null) return decryptedRootKey(existing, environmentKey)
  await database.query(
    'INSERT INTO kms_root_config (id, "encryptedRootKey", "keyLabel") VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING',
    [ROOT_CONFIG_ID, encrypt(randomBytes(32), environmentKey), labelOf(environmentKey)],
  )
  // Read again, because another instance may have been quicker.
  const created = await readRootConfig(database, true)
  if (created === null) throw new BootRefused('root-key-missing', 'KMS: the root key could not be created')
  log('info', 'KMS: root key created')
  return decryptedRootKey(created, environmentKey)
}

async function readRootConfig(database: Database, labelled: boolean): Promise<RootConfig | null> {
  const label = labelled ? '"keyLabel"' : 'NULL AS "keyLabel"'
  const [config] = await database.query<{ encryptedRootKey: Buffer; keyLabel: string | null }>(
    `SELECT "encryptedRootKey", ${label} FROM kms_root_config WHERE id = $1`,
    [ROOT_CONFIG_ID],
  )
  return config ?? null
}

function decryptedRootKey(config: RootConfig, environmentKey: Buffer): Buffer {
  const rootKey = decrypt(config.encryptedRootKey, environmentKey)
  if (rootKey !== null) return rootKey
  throw new BootRefused(
    'encryption-key-mismatch',
    `The configured encryption key (label ${labelOf(environmentKey)}) does not decrypt this database's root key. ` +
      `This database was last written with encryption key label(s): ${config.keyLabel ?? 'unknown'}.`,
  )
}
