import { type WritableSpan, writableSpans } from '../matrix/writers.ts'
import type { MachinesEnvironment } from './environment.ts'
import { serverLogOf } from './server-log.ts'

/** When the databases of all sites took writes since their machines were made, by PostgreSQL's own logs. */
export async function spansOnMachines({ sites }: MachinesEnvironment): Promise<WritableSpan[]> {
  const members = sites.flatMap(({ name, machines }) =>
    machines.filter(({ role }) => role !== 'app').map((machine) => ({ site: name, machine: machine.name })),
  )
  const spans = members.map(async ({ site, machine }) => writableSpans(site, await serverLogOf(machine, null), null))
  return (await Promise.all(spans)).flat()
}
