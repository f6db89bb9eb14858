import type { DriverContext } from '../../../driver/context.ts'
import { type ForkRecord, type ForkRecords, newestFork } from '../../../systems/postgres/fork-records.ts'
import type { Database } from '../spec.ts'

/** The fork records of this component. */
export const forksOf = ({ name }: Database, { records }: Pick<DriverContext, 'records'>): ForkRecords => ({
  component: name,
  records,
})

/** The newest record of an incarnation that was cut off; null while it lives. Throws `witness-damaged`. */
export const forkOf = (
  component: Database,
  serverName: string,
  context: Pick<DriverContext, 'records'>,
): Promise<ForkRecord | null> => newestFork(forksOf(component, context), serverName)
