import type { Database } from './database.ts'

const INSTANCE_ROW = '00000000-0000-0000-0000-000000000000'

export interface Instance {
  readonly id: string
  readonly initialized: boolean
  readonly allowSignUp: boolean
  /** Tells this database from every other one, also from an empty one that boots green. */
  readonly instanceId: string
}

/** Gives an empty database its identity; an existing one is only read. */
export async function ensureInstance(database: Database): Promise<void> {
  if ((await readInstance(database)) !== null) return
  await database.query('INSERT INTO super_admin (id) VALUES ($1) ON CONFLICT (id) DO NOTHING', [INSTANCE_ROW])
}

export async function readInstance(database: Database): Promise<Instance | null> {
  const [row] = await database.query<{ id: string; initialized: boolean; allowSignUp: boolean; instanceId: string }>(
    'SELECT id, initialized, "allowSignUp", "instanceId" FROM super_admin WHERE id = $1',
    [INSTANCE_ROW],
  )
  return row ?? null
}
