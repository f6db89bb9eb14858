import type { KitContext } from '../../../driver/kit/context.ts'
import { type ForkRecord, type ForkRecords, newestFork } from '../../../systems/postgres/fork-records.ts'
import type { Database } from '../spec.ts'

/** The fork records of this component. */
export const forksOf = ({ name }: Database, { records }: Pick<KitContext, 'records'>): ForkRecords => ({
  component: name,
  records,
})

/** The newest record of an incarnation that was cut off; null while it lives. Throws `witness-damaged`. */
export const forkOf = (
  component: Database,
  serverName: string,
  context: Pick<KitContext, 'records'>,
): Promise<ForkRecord | null> => newestFork(forksOf(component, context), serverName)
