import { type WritableSpan, writableSpans } from '../matrix/writers.ts'
import type { SiteName } from '../topology.ts'
import type { MachinesEnvironment } from './environment.ts'
import { onMachine } from './machine.ts'

/** As Patroni's PostgreSQL writes it into the journal: `2026-11-30 12:30:15.058 UTC [994] LOG:  message`. */
const LINE = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC \[\d+\] LOG:\s+(.*)$/

/**
 * When the databases of all sites took writes, by PostgreSQL's own logs, since their machines were made. The journals
 * outlive a power cut; the machines must answer.
 */
export async function spansOnMachines({ sites }: MachinesEnvironment): Promise<WritableSpan[]> {
  const members = sites.flatMap(({ name, machines }) =>
    machines.filter(({ role }) => role !== 'app').map((machine) => ({ site: name, machine: machine.name })),
  )
  const logs = members.map(async ({ site, machine }) => {
    const journal = await onMachine(machine, 'sudo journalctl --unit patroni --output cat --no-pager', 60_000)
    return spansInJournal(site, journal)
  })
  return (await Promise.all(logs)).flat()
}

/** Pure. */
export function spansInJournal(site: SiteName, journal: string): WritableSpan[] {
  const records = journal.split('\n').flatMap((line) => {
    const [, at, message] = LINE.exec(line) ?? []
    return at === undefined ? [] : [JSON.stringify({ ts: `${at.replace(' ', 'T')}Z`, record: { message } })]
  })
  return writableSpans(site, records, null)
}
