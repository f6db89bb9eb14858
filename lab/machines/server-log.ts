import type { MachineName } from '../topology.ts'
import { onMachine } from './machine.ts'

/**
 * What PostgreSQL logged on a machine, as `writableSpans` reads it; `since`: from that instant on, else since the
 * machine was made. Patroni hands the log of its server to the journal of its unit, which outlives a power cut. The
 * machine must answer.
 */
export async function serverLogOf(machine: MachineName, since: Date | null): Promise<string[]> {
  const from = since === null ? '' : ` --since @${Math.floor(since.getTime() / 1_000)}`
  return linesIn(await onMachine(machine, `sudo journalctl --unit patroni --output cat --no-pager${from}`, 60_000))
}

/** `2026-11-30 12:00:00.123 UTC [42] LOG:  database system is ready to accept connections`. Pure. */
export const linesIn = (journal: string): string[] =>
  journal.split('\n').flatMap((line) => {
    const [, day, time, message] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d+) UTC \[\d+\] LOG:\s+(.*)$/.exec(line) ?? []
    return message === undefined ? [] : [JSON.stringify({ ts: `${day}T${time}Z`, record: { message } })]
  })
