import { openAuditQueue } from './audit-queue.ts'
import { BootRefused } from './boot-refused.ts'
import { labelOf } from './cipher.ts'
import { type Configuration, readConfiguration } from './configuration.ts'
import { type Database, openDatabase, whileMigrating, whileServing } from './database.ts'
import { ensureInstance } from './instance.ts'
import { log, reasonOf } from './log.ts'
import { migrations } from './migrations.ts'
import { openRootKey, tryRootKey } from './root-key.ts'
import { runMigrations } from './run-migrations.ts'
import { serve } from './server.ts'

/** Requests that are still running after so long are cut: the whole stop must end within 3 s. */
const DRAIN_MS = 2_000
const STOP_MS = 2_900

/**
 * Upstream's order: database, keys, migrations, queue, server. Every refusal ends the process with 1 before it listens.
 */
async function boot(configuration: Configuration, stopping: AbortSignal): Promise<() => Promise<void>> {
  const rootKey = await prepare(configuration, stopping)
  const database = openDatabase(configuration, whileServing)
  const queue = openAuditQueue(configuration.redisUrl)
  if (configuration.runModes.has('general-workers')) queue.startWorker(database)
  const keys = { rootKey, organizationKeys: configuration.organizationKeys }
  const serving = await serve({ configuration, database, queue, keys })
  log('info', `Server listening at ${configuration.host}:${configuration.port}`, {
    runModes: [...configuration.runModes],
    keyLabel: labelOf(configuration.environmentKey),
    readyAfterMs: Math.round(process.uptime() * 1_000),
  })
  return async () => {
    await serving.drain(DRAIN_MS)
    await queue.close()
    await database.close()
  }
}

async function prepare(configuration: Configuration, stopping: AbortSignal): Promise<Buffer> {
  const database = openDatabase(configuration, whileMigrating)
  try {
    await tryRootKey(database, configuration.environmentKey)
    await runMigrations(database, migrations, stopping)
    return await initialise(database, configuration)
  } finally {
    await database.close()
  }
}

async function initialise(database: Database, configuration: Configuration): Promise<Buffer> {
  const rootKey = await openRootKey(database, configuration.environmentKey)
  await ensureInstance(database)
  return rootKey
}

function refuse(error: unknown): never {
  const reasonCode = error instanceof BootRefused ? error.reasonCode : 'boot-failed'
  log('error', reasonOf(error), { reasonCode })
  process.exit(1)
}

const stopping = new AbortController()
let stop: (() => Promise<void>) | null = null

async function onSignal(signal: NodeJS.Signals): Promise<void> {
  if (stopping.signal.aborted) return
  log('info', `${signal}: draining`)
  stopping.abort(new Error(`interrupted by ${signal} while booting`))
  setTimeout(() => process.exit(0), STOP_MS).unref()
  if (stop === null) process.exit(0)
  await stop().catch((error) => log('error', 'Stop failed', { reason: reasonOf(error) }))
  process.exit(0)
}
process.on('SIGTERM', (signal) => void onSignal(signal))
process.on('SIGINT', (signal) => void onSignal(signal))

try {
  stop = await boot(readConfiguration(process.env), stopping.signal)
} catch (error) {
  refuse(error)
}
