import { onMachine } from '../../machines/machine.ts'
import type { MachineName } from '../../topology.ts'

/**
 * What PostgreSQL said on a machine from an instant on, line by line as `writableSpans` reads it: Patroni hands the log
 * of its server to the journal of its unit.
 */
export async function serverLogOf(machine: MachineName, since: Date): Promise<string[]> {
  const at = Math.floor(since.getTime() / 1_000)
  const text = await onMachine(machine, `sudo journalctl --unit patroni --output cat --since @${at}`, 30_000)
  return linesIn(text)
}

/** `2026-11-30 12:00:00.123 UTC [42] LOG:  database system is ready to accept connections`. Pure. */
export const linesIn = (journal: string): string[] =>
  journal.split('\n').flatMap((line) => {
    const [, day, time, message] = /^(\S+) (\S+) UTC \[\d+\] LOG: +(.*)$/.exec(line) ?? []
    return message === undefined ? [] : [JSON.stringify({ ts: `${day}T${time}Z`, record: { message } })]
  })
