import { parseLsn } from '../wal.ts'
import { type Run, sqlOf } from '../where.ts'

/** Where each running step switched. Like `applied` it lives as long as this process: a resumed step switches again. */
const marks = new WeakMap<AbortSignal, bigint>()

/** Writes everything out and closes the segment, so that the archiver ships it now. */
export async function shipWal(run: Run): Promise<void> {
  const [row] = await sqlOf(run, 'CHECKPOINT; SELECT pg_switch_wal();')
  const end = parseLsn(row?.[0])
  if (end === null) throw new Error(`pg_switch_wal answered ${row?.[0] ?? 'nothing'}`)
  marks.set(run.signal, end)
}

/** The position that {@link shipWal} of this step closed; null before it. */
export const shippedMark = (run: Run): bigint | null => marks.get(run.signal) ?? null
