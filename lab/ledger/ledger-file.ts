import { type FileHandle, open } from 'node:fs/promises'
import type { LedgerEntry, LedgerIntent } from './ledger-entry.ts'

export interface LedgerFile {
  /** In the file before the request is sent; not synced: it must outlive this process, not this machine. */
  intend(intent: LedgerIntent): Promise<void>
  /** Resolves when the line is on the disk; lines that arrive while the disk is busy share the next sync. */
  append(entry: LedgerEntry): Promise<void>
  close(): Promise<void>
}

export async function openLedgerFile(path: string): Promise<LedgerFile> {
  const handle = await open(path, 'a', 0o600)
  let waiting: string[] = []
  let next: Promise<void> | null = null
  let current: Promise<void> = Promise.resolve()
  const append = (entry: LedgerEntry): Promise<void> => {
    waiting.push(line(entry))
    next ??= current.then(async () => {
      const lines = waiting
      waiting = []
      next = null
      current = writeAndSync(handle, lines.join(''))
      await current
    })
    return next
  }
  return {
    intend: async (intent) => {
      // One write call below the pipe size with O_APPEND: it cannot mix with another line.
      await handle.write(line(intent))
    },
    append,
    close: async () => {
      await (next ?? current)
      await handle.close()
    },
  }
}

const line = (record: LedgerEntry | LedgerIntent): string => `${JSON.stringify(record)}\n`

async function writeAndSync(handle: FileHandle, text: string): Promise<void> {
  await handle.write(text)
  await handle.datasync()
}
